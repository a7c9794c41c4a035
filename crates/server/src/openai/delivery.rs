//! How an answer is to be sent.

use crate::http::{Fields, Problem};
use crate::stream::IDLE;
use std::time::Duration;

/// Longest time between signs of life that a client may ask for, in seconds.
const LONGEST_IDLE: f64 = 3600.0;

/// How an answer is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) progress: bool,
    pub(super) idle: Duration,
}

impl Delivery {
    pub(super) fn read(fields: Fields<'_>) -> Result<Delivery, Problem> {
        let options = fields.object("stream_options")?;
        let include = options.map(|it| it.flag("include_usage")).transpose()?.flatten();
        let idle = fields.number("sse_ping_interval", -1.0..=LONGEST_IDLE)?;
        let idle = match idle {
            None => IDLE,
            Some(seconds) if seconds > 0.0 => Duration::from_secs_f32(seconds),
            Some(_) => Duration::from_secs(u64::from(u32::MAX)),
        };
        Ok(Delivery {
            stream: fields.flag("stream")?.unwrap_or(false),
            include_usage: include.unwrap_or(false),
            progress: fields.flag("return_progress")?.unwrap_or(false),
            idle,
        })
    }
}
