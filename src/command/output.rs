//! What a program printed, and the score in it.

use serde_json::{Map, Value as Json};

use super::{Failure, Report};

/// Longer lines are passed over, so that a program that never ends a line takes no more memory.
const LINE: usize = 1 << 20;
/// How much of standard error is kept.
const TAIL: usize = 4 << 10;
/// How many characters of a line stand in a message.
const EXCERPT: usize = 80;

/// What a line means at once, while the program runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    Report(Report),
    /// A report that ends the trial.
    Refused(Failure),
}

/// A line with a score.
#[derive(Debug)]
struct Scored {
    values: Result<Vec<f64>, Failure>,
    attributes: Map<String, Json>,
}

/// Standard output, read as it comes.
#[derive(Debug)]
pub(super) struct Output {
    objectives: usize,
    /// The line that has not ended yet.
    line: Vec<u8>,
    too_long: bool,
    result: Option<Scored>,
    report: Option<Scored>,
    numbers: Option<Vec<f64>>,
    passed_over: Option<String>,
}

impl Output {
    pub(super) fn new(objectives: usize) -> Self {
        Self {
            objectives,
            line: Vec::new(),
            too_long: false,
            result: None,
            report: None,
            numbers: None,
            passed_over: None,
        }
    }

    /// Reads on, and says what is heard in the lines that end.
    pub(super) fn push(&mut self, bytes: &[u8], heard: &mut impl FnMut(Heard)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ended) = match part.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (part, false),
            };
            self.too_long |= self.line.len() + content.len() > LINE;
            if self.too_long {
                self.line.clear();
            } else {
                self.line.extend_from_slice(content);
            }
            if ended {
                self.end_line(heard);
            }
        }
    }

    /// A last line need not be ended by a line break.
    pub(super) fn end(&mut self, heard: &mut impl FnMut(Heard)) {
        self.end_line(heard);
    }

    /// The result with the attributes of the trial.
    pub(super) fn into_result(self) -> (Result<Vec<f64>, Failure>, Map<String, Json>) {
        if let Some(scored) = self.result.or(self.report) {
            return (scored.values, scored.attributes);
        }
        let values = match self.numbers {
            Some(values) => finite(values, None),
            None => {
                Err(Failure::NoScore { objectives: self.objectives, passed_over: self.passed_over })
            }
        };
        (values, Map::new())
    }

    fn end_line(&mut self, heard: &mut impl FnMut(Heard)) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            self.passed_over = Some("a line of more than 1 MiB was passed over".to_owned());
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.starts_with('{') {
            self.read_object(text, heard);
        } else if self.result.is_none()
            && self.report.is_none()
            && let Some(numbers) = last_numbers(text, self.objectives)
        {
            self.numbers = Some(numbers);
        }
    }

    fn read_object(&mut self, line: &str, heard: &mut impl FnMut(Heard)) {
        let mut attributes = match parse_object(line) {
            Ok(object) => object,
            Err(error) => {
                self.passed_over = Some(format!("`{}` is no JSON object: {error}", excerpt(line)));
                return;
            }
        };
        let Some(score) = attributes.remove("score") else {
            self.passed_over = Some(format!("`{}` has no `score`", excerpt(line)));
            return;
        };
        let Some(step) = attributes.remove("step") else {
            let values = read_score(&score, self.objectives, None);
            self.result = Some(Scored { values, attributes });
            return;
        };
        let report = read_step(&step).and_then(|step| {
            let values = read_score(&score, self.objectives, Some(step))?;
            Ok(Report { step, values })
        });
        let values = report.as_ref().map(|report| report.values.clone()).map_err(Clone::clone);
        self.report = Some(Scored { values, attributes });
        heard(match report {
            Ok(report) => Heard::Report(report),
            Err(failure) => Heard::Refused(failure),
        });
    }
}

/// A JSON object, where NaN and infinities may stand as programs print them.
fn parse_object(line: &str) -> serde_json::Result<Map<String, Json>> {
    serde_json::from_str(line)
        .or_else(|error| serde_json::from_str(&quote_non_finite(line)).map_err(|_| error))
}

/// Puts quotes around every number of a JSON text that is not finite: JSON has none, but printing `NaN`,
/// `Infinity`, `-inf` or the like is what most programs do.
fn quote_non_finite(line: &str) -> String {
    let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let mut quoted = String::with_capacity(line.len() + 2);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            end_of_string(rest)
        } else if of_word(first) {
            rest.find(|c| !of_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        match token.parse::<f64>() {
            Ok(number) if !number.is_finite() => {
                quoted.extend(["\"", token, "\""]);
            }
            _ => quoted.push_str(token),
        }
        rest = after;
    }
    quoted
}

/// The length of the JSON string that `text` begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = true;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return index + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn read_score(score: &Json, objectives: usize, step: Option<u32>) -> Result<Vec<f64>, Failure> {
    let numbers: Vec<&Json> = match score {
        Json::Array(numbers) => numbers.iter().collect(),
        number => vec![number],
    };
    let values = numbers
        .into_iter()
        .map(|number| {
            match number {
                Json::Number(number) => number.as_f64(),
                Json::Null => Some(f64::NAN),
                Json::String(text) => text.parse().ok().filter(|number: &f64| !number.is_finite()),
                _ => None,
            }
            .ok_or_else(|| Failure::Malformed {
                key: "score",
                rule: "a number or an array of numbers",
                found: excerpt(&score.to_string()),
            })
        })
        .collect::<Result<Vec<f64>, Failure>>()?;
    if values.len() != objectives {
        return Err(Failure::Count { objectives, found: values.len(), step });
    }
    finite(values, step)
}

fn read_step(step: &Json) -> Result<u32, Failure> {
    // Some languages have one kind of numbers only, and print 3.0.
    step.as_f64()
        .filter(|step| step.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(step))
        .map(|step| step as u32)
        .ok_or_else(|| Failure::Malformed {
            key: "step",
            rule: "an integer from 0 to 4294967295",
            found: excerpt(&step.to_string()),
        })
}

fn finite(values: Vec<f64>, step: Option<u32>) -> Result<Vec<f64>, Failure> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Failure::NotFinite { value: *value, step }),
        None => Ok(values),
    }
}

/// The last `count` numbers of a line, `None` where it has fewer.
fn last_numbers(line: &str, count: usize) -> Option<Vec<f64>> {
    let separates = |c: char| c.is_whitespace() || "=:,;|()[]{}<>\"'`".contains(c);
    let mut numbers: Vec<f64> = line
        .rsplit(separates)
        .filter_map(|token| token.trim_end_matches(['%', '.']).parse().ok())
        .take(count)
        .collect();
    numbers.reverse();
    (!numbers.is_empty() && numbers.len() == count).then_some(numbers)
}

fn excerpt(line: &str) -> String {
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// The end of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // One byte more than is kept says whether a line begins there.
        self.bytes.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL + 1)..]);
        let excess = self.bytes.len().saturating_sub(TAIL + 1);
        self.bytes.drain(..excess);
    }

    /// The last lines, whole, at most 4 KiB of the stream; of a single longer line its end.
    pub(super) fn into_text(self) -> String {
        let mut bytes = &self.bytes[..];
        if bytes.len() > TAIL {
            // Progress bars end their lines with a carriage return.
            let line = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let begun = line.map_or(1, |end| end + 1);
            bytes = if begun < bytes.len() { &bytes[begun..] } else { &bytes[1..] };
            let inside = bytes.iter().position(|byte| byte & 0xC0 != 0x80).unwrap_or(0);
            bytes = &bytes[inside..];
        }
        String::from_utf8_lossy(bytes).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    type Read = (Vec<Heard>, Result<Vec<f64>, Failure>, Map<String, Json>);

    fn read(objectives: usize, chunks: &[&[u8]]) -> Read {
        let mut output = Output::new(objectives);
        let mut all = Vec::new();
        let mut heard = |one| all.push(one);
        for chunk in chunks {
            output.push(chunk, &mut heard);
        }
        output.end(&mut heard);
        let (result, attributes) = output.into_result();
        (all, result, attributes)
    }

    fn result(objectives: usize, text: &str) -> Result<Vec<f64>, Failure> {
        read(objectives, &[text.as_bytes()]).1
    }

    fn reason(objectives: usize, text: &str) -> String {
        result(objectives, text).unwrap_err().to_string()
    }

    #[test]
    fn the_last_number_of_the_last_line_that_has_one_counts() {
        for (text, expected) in [
            ("0.5", 0.5),
            ("1\n2\nthe end\n", 2.0),
            ("accuracy: 0.93", 0.93),
            ("loss=1.2e-3, ", 1.2e-3),
            ("epoch 3 loss -4.5E+2 done", -450.0),
            ("error: 3%", 3.0),
            ("The error is 0.25.", 0.25),
            ("tensor(0.5, device='cuda')", 0.5),
            ("| accuracy | 0.75 |", 0.75),
            ("[0.1, .2]", 0.2),
            ("\"0.5\"", 0.5),
            ("1,234", 234.0),
            ("epoch 1\repoch 2 0.5\r\n", 0.5),
            ("0.5 v2 10x 3/4 0x10 1_000 - + .", 0.5),
        ] {
            assert_eq!(result(1, text), Ok(vec![expected]), "{text:?}");
        }
        assert_eq!(reason(1, "no such thing\n"), "the program printed no number");
        assert_eq!(reason(1, ""), "the program printed no number");
    }

    #[test]
    fn several_objectives_need_a_line_with_as_many_numbers() {
        assert_eq!(result(2, "0.9 12 ms\n7 8 9\n1\n"), Ok(vec![8.0, 9.0]));
        assert_eq!(reason(2, "1\n2\n"), "the program printed no line with 2 numbers");
    }

    #[test]
    fn numbers_that_are_not_finite_fail_the_trial() {
        for (text, found) in [
            ("0.5\nloss=nan", "NaN"),
            ("inf", "inf"),
            ("-Infinity", "-inf"),
            ("1e400", "inf"),
            (r#"{"score": NaN}"#, "NaN"),
            (r#"{"score": [-Infinity], "note": "NaN \" Infinity"}"#, "-inf"),
            (r#"{"score": -nan}"#, "NaN"),
            (r#"{"score": inf}"#, "inf"),
            (r#"{"score": 1e999}"#, "inf"),
            (r#"{"score": null}"#, "NaN"),
        ] {
            assert_eq!(reason(1, text), format!("a score must be finite, found {found}"), "{text}");
        }
        let (heard, result, _) = read(1, &[b"{\"score\": NaN, \"step\": 3}\n"]);
        let failure = result.unwrap_err();
        assert_eq!(failure.to_string(), "a score must be finite, found NaN at step 3");
        assert!(matches!(&heard[..], [Heard::Refused(Failure::NotFinite { step: Some(3), .. })]));
    }

    #[test]
    fn lines_with_a_step_are_reports_and_the_last_one_without_is_the_result() {
        let text = br#"
            {"score": 0.5, "step": 1, "rate": 0.1}
            {"score": 0.7, "seconds": 3, "model": {"layers": [1, 2]}, "worst": NaN}
            100
            {"score": 0.6, "step": 2.0}
        "#;
        let (heard, result, attributes) = read(1, &[text]);
        let report = |step, value| Heard::Report(Report { step, values: vec![value] });
        assert_eq!(heard, [report(1, 0.5), report(2, 0.6)]);
        assert_eq!(result, Ok(vec![0.7]));
        assert_eq!(
            Json::Object(attributes),
            json!({"seconds": 3, "model": {"layers": [1, 2]}, "worst": "NaN"})
        );
    }

    #[test]
    fn the_last_report_is_the_result_where_there_is_no_other() {
        let text =
            b"{\"score\": [1, 2], \"step\": 0}\n9 9\n{\"score\": [3, 4], \"step\": 1, \"a\": 1}";
        let (heard, result, attributes) = read(2, &[text]);
        assert_eq!(heard.len(), 2);
        assert_eq!(result, Ok(vec![3.0, 4.0]));
        assert_eq!(Json::Object(attributes), json!({"a": 1}));
    }

    #[test]
    fn scores_and_steps_of_another_kind_are_refused() {
        for (line, expected) in [
            (
                r#"{"score": "0.5"}"#,
                "`score` must be a number or an array of numbers, found \"0.5\"",
            ),
            (
                r#"{"score": [true]}"#,
                "`score` must be a number or an array of numbers, found [true]",
            ),
            (r#"{"score": [1, 2]}"#, "a score must have 1 number, found 2"),
            (r#"{"score": [], "step": 4}"#, "a score must have 1 number, found 0 at step 4"),
            (
                r#"{"score": 1, "step": -1}"#,
                "`step` must be an integer from 0 to 4294967295, found -1",
            ),
            (
                r#"{"score": 1, "step": 1.5}"#,
                "`step` must be an integer from 0 to 4294967295, found 1.5",
            ),
            (
                r#"{"score": 1, "step": null}"#,
                "`step` must be an integer from 0 to 4294967295, found null",
            ),
        ] {
            let (heard, result, _) = read(1, &[line.as_bytes()]);
            let failure = result.unwrap_err();
            assert_eq!(failure.to_string(), expected);
            let at_once = line.contains("step").then_some(Heard::Refused(failure));
            assert_eq!(heard, Vec::from_iter(at_once));
        }
        // A later result stands in for a broken one.
        assert_eq!(result(1, "{\"score\": [1, 2]}\n{\"score\": 3}"), Ok(vec![3.0]));
    }

    #[test]
    fn objects_without_a_score_are_not_searched_for_numbers() {
        assert_eq!(result(1, "0.5\n{\"seconds\": 3}\n"), Ok(vec![0.5]));
        assert_eq!(
            reason(1, "{\"loss\": 3}\n"),
            "the program printed no number; `{\"loss\": 3}` has no `score`"
        );
        let python = reason(1, "{'score': 0.5, 'step': 3}\n");
        let beginning =
            "the program printed no number; `{'score': 0.5, 'step': 3}` is no JSON object: ";
        assert!(python.starts_with(beginning), "{python}");
    }

    #[test]
    fn a_line_is_passed_over_exactly_where_it_is_longer_than_a_mebibyte() {
        let mut line = vec![b' '; LINE - 1];
        line.push(b'7');
        assert_eq!(read(1, &[b"1\n", &line, b"\n"]).1, Ok(vec![7.0]));
        line.push(b'7');
        let mut output = Output::new(1);
        let mut heard = |_| unreachable!("there is no report");
        output.push(b"1\n", &mut heard);
        for _ in 0..8 {
            output.push(&line, &mut heard);
            assert!(output.line.capacity() <= 2 * LINE);
        }
        output.push(b" 9\n", &mut heard);
        assert_eq!(output.into_result().0, Ok(vec![1.0]));
        assert_eq!(
            read(1, &[&line]).1.unwrap_err().to_string(),
            "the program printed no number; a line of more than 1 MiB was passed over"
        );
    }

    #[test]
    fn the_tail_has_whole_lines() {
        let text = |parts: &[&[u8]]| {
            let mut tail = Tail::default();
            parts.iter().for_each(|part| tail.push(part));
            tail.into_text()
        };
        assert_eq!(text(&[b"one\n", b"two\n"]), "one\ntwo");
        let line = [b'x'; 999];
        let many: Vec<u8> = (0..9).flat_map(|_| line.iter().copied().chain([b'\n'])).collect();
        assert_eq!(text(&[&many]), many_lines(4));
        assert_eq!(text(&many.chunks(7).collect::<Vec<_>>()), many_lines(4));
        // Exactly as much as is kept, with a line that begins where the rest is cut off.
        let exact = [&b"gone\n"[..], &[b'y'; TAIL]].concat();
        assert_eq!(text(&[&exact]), "y".repeat(TAIL));
        // A single line without an end, cut inside of a character.
        let long = "\u{e4}".repeat(TAIL) + "b";
        assert_eq!(text(&[long.as_bytes()]), "\u{e4}".repeat(TAIL / 2 - 1) + "b");
        assert_eq!(text(&[b"\xff broken \xf0\x9f"]), "\u{fffd} broken \u{fffd}");
    }

    fn many_lines(count: usize) -> String {
        vec!["x".repeat(999); count].join("\n")
    }

    proptest! {
        #[test]
        fn printed_numbers_read_back_exactly(
            values in proptest::collection::vec(
                proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
                1..4,
            ),
        ) {
            let json = json!({ "score": values }).to_string();
            prop_assert_eq!(result(values.len(), &json), Ok(values.clone()));
            for text in [format!("values = {values:?};"), format!("{values:?}\n")] {
                prop_assert_eq!(result(values.len(), &text), Ok(values.clone()));
            }
        }

        #[test]
        fn chunks_make_no_difference_and_nothing_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            lines in "([{]?[\"]?(score|step|[a-z\u{e4}]|NaN|[0-9]{1,3}|[-:,.% \\\\\n}\"]){0,6}){0,9}",
            objectives in 0usize..3,
            size in 1usize..20,
        ) {
            for bytes in [&bytes[..], lines.as_bytes()] {
                let whole = read(objectives, &[bytes]);
                let parts = read(objectives, &bytes.chunks(size).collect::<Vec<_>>());
                // NaN is not equal to itself.
                prop_assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
                let mut tail = Tail::default();
                bytes.chunks(size).for_each(|chunk| tail.push(chunk));
                let lossy = String::from_utf8_lossy(bytes);
                prop_assert_eq!(tail.into_text(), lossy.trim_end());
            }
        }
    }
}
