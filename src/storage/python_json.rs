//! Python's JSON, which has numbers that JSON has not.

/// The tokens that Python's JSON has beyond the standard.
const NON_FINITE: [(&str, f64); 3] =
    [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// The number of one of Python's tokens.
pub(super) fn non_finite(token: &str) -> Option<f64> {
    NON_FINITE.into_iter().find(|(text, _)| *text == token).map(|(_, value)| value)
}

/// Puts Python's non-finite tokens outside of strings into quotes, behind `mark`; `None` where there
/// are none.
pub(super) fn quote_non_finite(json: &str, mark: &str) -> Option<String> {
    if !json.contains("NaN") && !json.contains("Infinity") {
        return None;
    }
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len() + 16);
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let rest = &bytes[at..];
                let token = NON_FINITE.iter().find(|(token, _)| rest.starts_with(token.as_bytes()));
                if let Some((token, _)) = token {
                    out.push_str(&json[copied..at]);
                    out.extend(["\"", mark, token, "\""]);
                    at += token.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (copied > 0).then(|| {
        out.push_str(&json[copied..]);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_within_strings_stay() {
        let quoted = |json| quote_non_finite(json, "").unwrap_or(json.to_owned());
        assert_eq!(
            quoted(r#"{"a":NaN,"b":[-Infinity, Infinity]}"#),
            r#"{"a":"NaN","b":["-Infinity", "Infinity"]}"#
        );
        for json in [r#"{"NaN":"Infinity \" NaN \\"}"#, r#"{"a":-1,"I":"-"}"#, "N", "\"NaN\\"] {
            assert_eq!(quoted(json), json);
        }
        assert_eq!(quoted(r#"["\\",NaN]"#), r#"["\\","NaN"]"#);
    }
}
