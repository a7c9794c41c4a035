//! The chart: one line per policy, the optimum below, as SVG text.

use super::report::{Curve, Report, Size};
use plotters::coord::Shift;
use plotters::prelude::*;

/// Width and height in pixels.
const WHOLE: (u32, u32) = (960, 520);

/// Where the names begin, in pixels from the left.
const NAMES: u32 = 720;

/// Between two names, in pixels.
const LINE_HEIGHT: i32 = 24;

/// Colours that people with any colour vision tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(240, 228, 66),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the report.
///
/// # Errors
/// When the drawing library refuses; it has no reason to.
pub(super) fn svg(report: &Report) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let whole = SVGBackend::with_string(&mut svg, WHOLE).into_drawing_area();
        whole.fill(&WHITE)?;
        let (left, right) = whole.split_horizontally(NAMES);
        draw_curves(&left, report)?;
        draw_names(&right, report)?;
        whole.present()?;
    }
    Ok(svg)
}

fn draw_curves(area: &Area<'_>, report: &Report) -> anyhow::Result<()> {
    let most = report.curves().flat_map(|curve| &curve.loads).fold(1.0, |a: f64, &b| a.max(b));
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{}: {}", report.caption(), report.title), ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0f64..100.0, 0f64..most * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(format!("slots of the cache, % of all {}", report.units))
        .y_desc("loads per token")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 15))
        .draw()?;
    for (curve, style) in styled(report) {
        let points = || points(&report.sizes, curve);
        chart.draw_series(LineSeries::new(points(), style))?;
        chart.draw_series(points().map(|at| Circle::new(at, 3, style.filled())))?;
    }
    Ok(())
}

/// Beside the lines, because lines are everywhere.
fn draw_names(area: &Area<'_>, report: &Report) -> anyhow::Result<()> {
    for (row, (curve, style)) in (3..).zip(styled(report)) {
        let y = row * LINE_HEIGHT;
        area.draw(&PathElement::new([(0, y), (28, y)], style))?;
        let named = if curve.name == report.default.name { " (default)" } else { "" };
        let name = format!("{}{named}", curve.name);
        area.draw(&Text::new(name, (36, y - 7), ("sans-serif", 15)))?;
    }
    Ok(())
}

/// Each line with its look: the optimum black, the default thick.
fn styled(report: &Report) -> impl Iterator<Item = (&Curve, ShapeStyle)> {
    let last = report.others.len() + 1;
    report.curves().enumerate().map(move |(number, curve)| {
        let colour = if number == last { BLACK } else { COLOURS[number % COLOURS.len()] };
        let width = if number == 0 || number == last { 3 } else { 2 };
        (curve, colour.stroke_width(width))
    })
}

fn points<'a>(sizes: &'a [Size], curve: &'a Curve) -> impl Iterator<Item = (f64, f64)> + 'a {
    sizes.iter().map(|size| size.percent as f64).zip(curve.loads.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::report::tests::sample;

    #[test]
    fn every_policy_has_a_line_and_a_name() {
        let svg = svg(&sample()).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for name in ["window, open (default)", "frequency", "Belady", "loads per token"] {
            assert!(svg.lines().any(|line| line.trim() == name), "{name} is not in\n{svg}");
        }
        for colour in ["#D55E00", "#0072B2", "#000000"] {
            let lines = svg.lines().filter(|l| l.starts_with("<polyline") && l.contains(colour));
            assert!(lines.count() >= 2, "no line and name in {colour}");
        }
    }
}
