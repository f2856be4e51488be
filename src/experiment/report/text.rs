//! Numbers as the report shows them.

/// The page's dash for what is not there.
pub(super) fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), text)
}

/// A normalized regret.
pub(super) fn regret(value: f64) -> String {
    // Without the sign of a zero.
    let value = value + 0.0;
    if value > 0.0 && value < 5e-5 { format!("{value:.0e}") } else { format!("{value:.4}") }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// A p-value.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "&lt; 0.001".to_owned() } else { format!("{p:.3}") }
}

/// Four significant digits.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.2e}"),
        size => format!("{value:.*}", (3 - size.log10().floor() as i32).clamp(0, 6) as usize),
    }
}

/// A time given in microseconds.
pub(super) fn time(micros: f64) -> String {
    match micros {
        m if m < 1.0 => format!("{m:.2} µs"),
        m if m < 1e3 => format!("{m:.0} µs"),
        m if m < 1e6 => format!("{:.1} ms", m / 1e3),
        m if m < 60e6 => format!("{:.1} s", m / 1e6),
        m if m < 3600e6 => format!("{:.1} min", m / 60e6),
        m => format!("{:.1} h", m / 3600e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [short(1234.5), short(0.397887), short(0.0), short(1e-7)].join(" "),
            "1234 0.3979 0 1.00e-7"
        );
        assert_eq!(
            [time(0.25), time(1500.0), time(90e6), time(7200e6)].join(" "),
            "0.25 µs 1.5 ms 1.5 min 2.0 h"
        );
        assert_eq!([regret(-0.0), regret(0.25), regret(3e-7)].join(" "), "0.0000 0.2500 3e-7");
        assert_eq!(
            [p_value(0.0004), p_value(0.05), percent(0.456)].join(" "),
            "&lt; 0.001 0.050 46 %"
        );
    }
}
