//! The chart: a bar of tokens per second for each contestant, with its spread, as SVG text.

use super::figures::Spread;
use plotters::prelude::*;

/// Width in pixels.
const WIDTH: u32 = 960;
/// Height of the title, and of each bar with its gap.
const TITLE: i32 = 56;
const ROW: i32 = 48;
/// Where bars begin and the longest ends, in pixels from the left.
const LEFT: i32 = 260;
const RIGHT: i32 = 800;

/// Blue for Flint, orange for others: told apart with any colour vision (Okabe and Ito).
const FLINT: RGBColor = RGBColor(0, 114, 178);
const PEER: RGBColor = RGBColor(230, 159, 0);

/// One contestant.
pub(super) struct Bar<'a> {
    pub(super) name: &'a str,
    /// Tokens per second; `None` where no run gave a result.
    pub(super) speed: Option<Spread>,
}

/// Draws tokens per second, Flint's first.
///
/// # Errors
/// When the drawing library refuses; it has no reason to.
pub(super) fn svg(title: &str, bars: &[Bar<'_>]) -> anyhow::Result<String> {
    let speeds = bars.iter().filter_map(|bar| bar.speed);
    let most = speeds.fold(0.0, |most: f64, speed| most.max(speed.max));
    let x = |speed: f64| LEFT + (f64::from(RIGHT - LEFT) * speed / most.max(1e-9)).round() as i32;
    let mut svg = String::new();
    {
        let height = TITLE as u32 + ROW as u32 * bars.len() as u32;
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let text = |text: String, at: (i32, i32)| Text::new(text, at, ("sans-serif", 16));
        area.draw(&text(format!("Tokens per second, median and spread: {title}"), (16, 16)))?;
        for (number, bar) in (0..).zip(bars) {
            let top = TITLE + ROW * number;
            area.draw(&text(bar.name.to_owned(), (16, top + 8)))?;
            let Some(speed) = bar.speed else {
                area.draw(&text("no result".to_owned(), (LEFT, top + 8)))?;
                continue;
            };
            let colour = if number == 0 { FLINT } else { PEER };
            area.draw(&Rectangle::new(
                [(LEFT, top), (x(speed.median), top + 32)],
                colour.filled(),
            ))?;
            let line = [(x(speed.min), top + 16), (x(speed.max), top + 16)];
            area.draw(&PathElement::new(line, BLACK.stroke_width(2)))?;
            area.draw(&text(format!("{:.3}", speed.median), (x(speed.max) + 10, top + 8)))?;
        }
        area.present()?;
    }
    Ok(svg)
}
