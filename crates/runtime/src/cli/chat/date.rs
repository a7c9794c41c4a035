//! `--date`: the day that a template takes for today.

use flint_chat::Moment;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads a date as it is written in ISO 8601.
pub(in crate::cli) fn parse(text: &str) -> Result<Moment, String> {
    let mut parts = text.splitn(3, '-');
    let mut next = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i32>().ok())?
    };
    let date = (|| {
        let (year, month, day) = (next(4)?, next(2)?, next(2)?);
        Moment::from_date(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    })();
    date.ok_or_else(|| "expected a day of the calendar, as 2026-02-28".to_owned())
}

/// Now, in UTC.
pub(in crate::cli) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), 0)
}
