//! A bar for each variant: the time of a token and what it is made of.

use plotters::prelude::*;

/// Width and height in pixels.
const WHOLE: (u32, u32) = (960, 440);

/// Parts of a token's time, from left to right, in colours that people with any colour vision tell apart.
const PARTS: [(&str, RGBColor); 4] = [
    ("waiting for reads", RGBColor(213, 94, 0)),
    ("cache", RGBColor(230, 159, 0)),
    ("predictor", RGBColor(0, 158, 115)),
    ("compute", RGBColor(0, 114, 178)),
];

/// One variant; times in milliseconds.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Time of a token.
    pub(super) total: f64,
    /// Waiting for reads, cache, predictor and compute.
    pub(super) parts: [f64; PARTS.len()],
}

/// Draws one shape, the first variant on top.
///
/// # Errors
/// When the drawing library refuses; it has no reason to.
pub(super) fn svg(shape: &str, variants: &[Row]) -> anyhow::Result<String> {
    let rows = variants.len();
    let most = variants.iter().map(|row| row.total).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, WHOLE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("Time of a token, ms: {shape}"), ("sans-serif", 22))
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
        for (part, (name, colour)) in PARTS.iter().enumerate() {
            let bars = (0..rows).map(|row| bar(variants, row, part));
            let style = colour.filled();
            chart
                .draw_series(bars.map(|corners| Rectangle::new(corners, style)))?
                .label(*name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 6), (x + 14, y + 6)], style));
        }
        let labels = variants.iter().enumerate().map(|(row, Row { total, .. })| {
            let at = (total + most * 0.01, (rows - 1 - row) as f64 + 0.55);
            Text::new(format!("{total:.0} ms"), at, ("sans-serif", 14))
        });
        chart.draw_series(labels)?;
        for (row, variant) in variants.iter().enumerate() {
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
fn bar(variants: &[Row], row: usize, part: usize) -> [(f64, f64); 2] {
    let parts = &variants[row].parts;
    let start: f64 = parts[..part].iter().sum();
    let y = (variants.len() - 1 - row) as f64;
    [(start, y + 0.15), (start + parts[part], y + 0.85)]
}
