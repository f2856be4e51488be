//! Moments in the text form of Optuna's storages.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Timestamp;

impl Timestamp {
    /// The present moment.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// The moment in UTC as ISO 8601 with microseconds, the form that every version of Optuna reads:
    /// `2026-11-23T10:00:00.000000+00:00`. `None` outside the years 1 to 9999, which Python cannot
    /// represent.
    ///
    /// ```
    /// use hyperq::storage::Timestamp;
    /// assert_eq!(Timestamp(1_500).to_iso().unwrap(), "1970-01-01T00:00:00.001500+00:00");
    /// ```
    pub fn to_iso(self) -> Option<String> {
        let moment = jiff::Timestamp::from_microsecond(self.0).ok()?;
        let utc = TimeZone::UTC.to_datetime(moment);
        (utc.year() >= 1).then(|| utc.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string())
    }

    /// The moment in local time, as Optuna's storage proxy takes it: `2026-11-23 10:00:00.000000`. `None`
    /// where [`Timestamp::to_iso`] has none.
    #[cfg(feature = "optuna-grpc")]
    pub(super) fn to_local(self) -> Option<String> {
        self.to_iso()?;
        let moment = jiff::Timestamp::from_microsecond(self.0).ok()?;
        let local = TimeZone::system().to_datetime(moment);
        Some(local.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
    }

    /// Reads ISO 8601: with an offset or `Z`, or without, which means local time (Optuna 4 writes
    /// that). Digits below the microsecond are cut off. `None` for anything else.
    ///
    /// ```
    /// use hyperq::storage::Timestamp;
    /// assert_eq!(Timestamp::parse("1970-01-01T01:00:00.000002999+01:00"), Some(Timestamp(2)));
    /// assert_eq!(Timestamp::parse("yesterday"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Some(Self(moment.as_microsecond()));
        }
        let local = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?;
        Some(Self(local.timestamp().as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_optuna_is_read() {
        let moment = Timestamp::parse("2026-11-23T10:00:00.123456+00:00").unwrap();
        assert_eq!(moment.to_iso().unwrap(), "2026-11-23T10:00:00.123456+00:00");
        for same in [
            "2026-11-23T10:00:00.123456Z",
            "2026-11-23T10:00:00.123456789Z",
            "2026-11-23T15:30:00.123456+05:30",
            "2026-11-23 10:00:00.123456+00:00",
        ] {
            assert_eq!(Timestamp::parse(same), Some(moment), "{same}");
        }
        for wrong in ["", "10:00", "2026-13-01T00:00:00", "2026-11-23T10:00:00.1234560+00:00x"] {
            assert_eq!(Timestamp::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_without_offset_is_local() {
        let naive = "2026-11-23T10:00:00.000001";
        let local: DateTime = naive.parse().unwrap();
        let expected = local.to_zoned(TimeZone::system()).unwrap().timestamp().as_microsecond();
        assert_eq!(Timestamp::parse(naive), Some(Timestamp(expected)));
    }

    #[test]
    fn what_python_cannot_represent_has_no_text() {
        for beyond in [i64::MIN, i64::MAX, -62_135_596_800_000_001, 253_402_300_800_000_000] {
            assert_eq!(Timestamp(beyond).to_iso(), None, "{beyond}");
        }
        assert!(Timestamp(-62_135_596_800_000_000).to_iso().unwrap().starts_with("0001-01-01T"));
        let now = Timestamp::now();
        assert_eq!(Timestamp::parse(&now.to_iso().unwrap()), Some(now));
    }
}
