//! A bar for each variant: the time of a token and what it is made of.

use super::report::ShapeReport;
use super::variants::VARIANTS;
use flint_engine::Stats;
use plotters::prelude::*;

/// Width and height in pixels.
const WHOLE: (u32, u32) = (960, 440);

/// Parts of a token's time, from left to right, in colours that people with any colour vision tell apart.
type Part = (&'static str, RGBColor, fn(&Stats) -> f64);
const PARTS: [Part; 4] = [
    ("waiting for reads", RGBColor(213, 94, 0), |s| s.per_token.io_wait_ms),
    ("cache", RGBColor(230, 159, 0), |s| s.per_token.cache_ms),
    ("predictor", RGBColor(0, 158, 115), |s| s.per_token.predictor_ms),
    ("compute", RGBColor(0, 114, 178), |s| s.per_token.compute_ms),
];

/// Draws one shape.
pub(super) fn svg(shape: &ShapeReport) -> anyhow::Result<String> {
    let total = |index| shape.spread(index, |s| s.per_token.total_ms).median;
    let rows = VARIANTS.len();
    let most = (0..rows).map(total).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, WHOLE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("Time of a token, ms: {}", shape.shape), ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(110)
            .build_cartesian_2d(0.0..most * 1.12, 0.0..rows as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels(8)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .label_style(("sans-serif", 15))
            .draw()?;
        for (part, (name, colour, _)) in PARTS.iter().enumerate() {
            let bars = (0..rows).map(|row| bar(shape, row, part));
            let style = colour.filled();
            chart
                .draw_series(bars.map(|corners| Rectangle::new(corners, style)))?
                .label(*name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 6), (x + 14, y + 6)], style));
        }
        let labels = (0..rows).map(|row| {
            let y = (rows - 1 - row) as f64 + 0.55;
            Text::new(
                format!("{:.0} ms", total(row)),
                (total(row) + most * 0.01, y),
                ("sans-serif", 14),
            )
        });
        chart.draw_series(labels)?;
        for (row, variant) in VARIANTS.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(0.0, (rows - 1 - row) as f64 + 0.5));
            area.draw(&Text::new(variant.name, (16, y - 7), ("sans-serif", 15)))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .border_style(BLACK)
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// The corners of one part of a row's bar.
fn bar(shape: &ShapeReport, row: usize, part: usize) -> [(f64, f64); 2] {
    let width = |(_, _, pick): &Part| shape.spread(row, pick).median;
    let start: f64 = PARTS[..part].iter().map(width).sum();
    let y = (VARIANTS.len() - 1 - row) as f64;
    [(start, y + 0.15), (start + width(&PARTS[part]), y + 0.85)]
}
