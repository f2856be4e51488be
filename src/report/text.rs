//! Names and numbers as the page shows them. Names and texts are whatever a worker wrote.

use serde_json::Value as Json;

use crate::space::Domain;
use crate::storage::StoredParameter;

/// Text for HTML and for attributes in quotes. Control characters and those that turn the direction of
/// what follows become U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => html.push('\u{fffd}'),
            _ if character.is_control() => html.push('\u{fffd}'),
            _ => html.push(character),
        }
    }
    html
}

/// At most `longest` characters, the middle left out: names differ at their ends.
pub(crate) fn shortened(name: &str, longest: usize) -> String {
    let count = name.chars().count();
    if count <= longest {
        return name.to_owned();
    }
    let kept = longest - 1;
    let front: String = name.chars().take(kept.div_ceil(2)).collect();
    let back: String = name.chars().skip(count - kept / 2).collect();
    format!("{front}…{back}")
}

/// A name, shortened and escaped.
pub(super) fn name(text: &str, longest: usize) -> String {
    escaped(&shortened(text, longest))
}

/// Six significant digits, without needless zeros.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let text = match value.abs() {
        size if !(1e-4..1e7).contains(&size) => {
            let text = format!("{value:.5e}");
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            return format!("{}e{power}", without_zeros(digits));
        }
        size => format!("{value:.*}", (5 - size.log10().floor() as i32).clamp(0, 10) as usize),
    };
    without_zeros(&text).to_owned()
}

/// A decimal number without the zeros that its fraction ends with.
pub(crate) fn without_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

/// A parameter's value.
pub(super) fn value(parameter: &StoredParameter) -> String {
    json(&parameter.external())
}

/// A text as it is, a number with six digits, anything else as JSON.
pub(super) fn json(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(given) if given.is_f64() => {
            given.as_f64().map_or_else(|| given.to_string(), number)
        }
        other => other.to_string(),
    }
}

/// What a domain admits.
pub(super) fn domain(domain: &Domain) -> String {
    let range = |low: String, high: String, log: bool, step: Option<String>| {
        let log = if log { ", log scale" } else { "" };
        let step = step.map_or_else(String::new, |step| format!(", in steps of {step}"));
        format!("{low} to {high}{step}{log}")
    };
    match domain {
        Domain::Float { low, high, log, step } => {
            range(number(*low), number(*high), *log, step.map(number))
        }
        Domain::Int { low, high, log, step } => {
            let step = (*step != 1).then(|| step.to_string());
            range(low.to_string(), high.to_string(), *log, step)
        }
        Domain::Categorical { choices } => {
            let shown: Vec<String> =
                choices.iter().take(8).map(|choice| shortened(&choice.to_string(), 20)).collect();
            match choices.len() - shown.len() {
                0 => shown.join(" | "),
                more => format!("{} | … {more} more", shown.join(" | ")),
            }
        }
    }
}

/// A span of microseconds.
pub(super) fn duration(micros: i64) -> String {
    let seconds = micros as f64 / 1e6;
    // A part and the next smaller one, as in "2 h 5 min".
    let parts = |size: i64, unit: &str, part: i64, smaller: &str| {
        let total = micros / (part * 1_000_000);
        let (whole, rest) = (total / (size / part), total % (size / part));
        match rest {
            0 => format!("{whole} {unit}"),
            _ => format!("{whole} {unit} {rest} {smaller}"),
        }
    };
    match seconds {
        s if s < 0.001 => format!("{micros} µs"),
        s if s < 1.0 => format!("{} ms", without_zeros(&format!("{:.1}", s * 1e3))),
        s if s < 60.0 => format!("{} s", without_zeros(&format!("{s:.1}"))),
        s if s < 3600.0 => parts(60, "min", 1, "s"),
        s if s < 86_400.0 => parts(3600, "h", 60, "min"),
        _ => parts(86_400, "d", 3600, "h"),
    }
}

/// A number and its noun.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The page's dash for what is not there.
pub(super) const NONE: &str = "–";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_harmless() {
        assert_eq!(
            escaped("<a href=\"x\" b='y'>&\u{1b}[1m\u{0}\u{202e}\n"),
            "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\u{fffd}[1m\u{fffd}\u{fffd}\n"
        );
        assert_eq!(name("<äöü-abcdefgh>", 5), "&lt;ä…h&gt;");
    }

    #[test]
    fn numbers_have_six_digits_and_no_needless_zeros() {
        for (value, text) in [
            (-0.0, "0"),
            (0.5, "0.5"),
            (0.123_456_789, "0.123457"),
            (1_234_567.8, "1234568"),
            (-2e-7, "-2e-7"),
            (123_456_789.0, "1.23457e8"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "NaN"),
            (f64::MAX, "1.79769e308"),
            (5e-324, "4.94066e-324"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (micros, text) in [
            (0, "0 µs"),
            (1_500, "1.5 ms"),
            (12_340_000, "12.3 s"),
            (59_990_000, "60 s"),
            (60_000_000, "1 min"),
            (125_000_000, "2 min 5 s"),
            (7_500_000_000, "2 h 5 min"),
            (180_000_000_000, "2 d 2 h"),
            (i64::MAX, "106751991 d 4 h"),
        ] {
            assert_eq!(duration(micros), text);
        }
    }

    #[test]
    fn domains_are_told_in_words() {
        let float = |log, step| Domain::Float { low: 1e-5, high: 1.0, log, step };
        assert_eq!(domain(&float(true, None)), "1e-5 to 1, log scale");
        assert_eq!(domain(&float(false, Some(0.1))), "1e-5 to 1, in steps of 0.1");
        let int = |step| Domain::Int { low: 1, high: 9, log: false, step };
        assert_eq!([domain(&int(1)), domain(&int(2))], ["1 to 9", "1 to 9, in steps of 2"]);
        let choices = (0..10).map(|i| i.into()).collect();
        assert_eq!(
            domain(&Domain::Categorical { choices }),
            "0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | … 2 more"
        );
    }
}
