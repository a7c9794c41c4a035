//! The moment that a template takes for now, and Python's names for its parts.
//!
//! A prompt must depend on nothing but the request, so the moment is given, never asked of the system.

/// A local date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    days: i64,
    second: i64,
}

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// 1 January 10000: years have four digits.
const END: i64 = 2_932_897;
/// 1 January of year 1.
const START: i64 = -719_162;

impl Moment {
    /// The moment `seconds` after 1970 began in UTC, on a clock that is `offset` seconds ahead of UTC. Moments
    /// outside the years 1 to 9999 become the nearest inside.
    #[must_use]
    pub fn from_unix(seconds: i64, offset: i32) -> Self {
        let local = seconds.saturating_add(offset.into());
        Self { days: local.div_euclid(DAY).clamp(START, END - 1), second: local.rem_euclid(DAY) }
    }

    /// Midnight at the beginning of a day; `None` where the calendar has no such day.
    #[must_use]
    pub fn from_date(year: i32, month: u8, day: u8) -> Option<Self> {
        let (month, day) = (i64::from(month), i64::from(day));
        let moment = Self { days: days_of(year.into(), month, day), second: 0 };
        let exists = (1..=9999).contains(&year) && moment.date() == (year.into(), month, day);
        exists.then_some(moment)
    }

    /// The same day at `hour:minute:second`; `None` where a clock never shows that.
    #[must_use]
    pub fn at(self, hour: u8, minute: u8, second: u8) -> Option<Self> {
        let shown = hour < 24 && minute < 60 && second < 60;
        let second = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        shown.then_some(Self { second, ..self })
    }

    /// Year, month and day of the Gregorian calendar (the algorithm `civil_from_days` of Howard Hinnant,
    /// "chrono-Compatible Low-Level Date Algorithms").
    fn date(self) -> (i64, i64, i64) {
        let days = self.days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }

    /// Writes the moment as Python's `strftime` does in the C locale; `None` for a directive that is not known.
    #[must_use]
    pub fn strftime(self, format: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = format.chars();
        while let Some(char) = rest.next() {
            if char != '%' {
                out.push(char);
                continue;
            }
            match rest.next()? {
                '-' => {
                    let padded = self.directive(rest.next()?)?;
                    let trimmed = padded.trim_start_matches('0');
                    out += if trimmed.is_empty() { "0" } else { trimmed };
                }
                directive => out += &self.directive(directive)?,
            }
        }
        Some(out)
    }

    fn directive(self, directive: char) -> Option<String> {
        let (year, month, day) = self.date();
        let (hour, minute, second) = (self.second / 3600, self.second / 60 % 60, self.second % 60);
        let month_name = MONTHS[usize::try_from(month - 1).ok()?];
        let weekday = WEEKDAYS[usize::try_from((self.days + 4).rem_euclid(7)).ok()?];
        Some(match directive {
            'Y' => format!("{year:04}"),
            'y' => format!("{:02}", year % 100),
            'm' => format!("{month:02}"),
            'd' => format!("{day:02}"),
            'e' => format!("{day:2}"),
            'j' => format!("{:03}", self.days - days_of(year, 1, 1) + 1),
            'B' => month_name.into(),
            'b' | 'h' => month_name[..3].into(),
            'A' => weekday.into(),
            'a' => weekday[..3].into(),
            'H' => format!("{hour:02}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'f' => "000000".into(),
            'p' => if hour < 12 { "AM" } else { "PM" }.into(),
            'F' => self.strftime("%Y-%m-%d")?,
            'D' | 'x' => self.strftime("%m/%d/%y")?,
            'T' | 'X' => self.strftime("%H:%M:%S")?,
            'R' => self.strftime("%H:%M")?,
            'c' => self.strftime("%a %b %e %H:%M:%S %Y")?,
            'n' => "\n".into(),
            't' => "\t".into(),
            // Python's clock without a zone writes nothing.
            'Z' | 'z' => String::new(),
            '%' => "%".into(),
            _ => return None,
        })
    }
}

/// Days from 1970 to a date (`days_from_civil` of the same source).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
