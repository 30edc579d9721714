//! Plots as SVG.

use std::error::Error as StdError;

use indexmap::IndexMap;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Error, usage};

type Result<T> = std::result::Result<T, Box<dyn StdError>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Points, by the name of their series.
pub(crate) type Lines = IndexMap<String, Vec<(f64, f64)>>;
/// Bars by their name, in groups by the name of the group, which may be empty.
pub(crate) type Groups = IndexMap<String, IndexMap<String, f64>>;

/// Colours that differ in brightness too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(96, 96, 96),
    RGBColor(214, 69, 40),
    RGBColor(38, 110, 178),
    RGBColor(58, 150, 87),
    RGBColor(150, 92, 170),
    RGBColor(205, 150, 20),
];
const WIDTH: u32 = 760;
const LINES_HEIGHT: u32 = 420;
const BAR_HEIGHT: i32 = 20;

/// One picture.
pub(crate) struct Plot {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) data: Data,
}

pub(crate) enum Data {
    /// Lines over logarithmic axes.
    Lines { axes: (&'static str, &'static str), lines: Lines },
    /// Groups of bars, each with a scale of its own; bars of one name have one colour.
    Bars { unit: &'static str, groups: Groups },
}

impl Plot {
    /// Whether it is empty: a line needs two points.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.data {
            Data::Lines { lines, .. } => lines.values().all(|points| points.len() < 2),
            Data::Bars { groups, .. } => groups.values().all(IndexMap::is_empty),
        }
    }

    /// Draws it.
    pub(crate) fn svg(&self) -> std::result::Result<String, Error> {
        let mut text = String::new();
        match self.draw(&mut text) {
            Ok(()) => Ok(text),
            Err(cause) => usage(format!("a plot cannot be drawn: {cause}")),
        }
    }

    fn draw(&self, text: &mut String) -> Result<()> {
        let height = match &self.data {
            Data::Lines { .. } => LINES_HEIGHT,
            Data::Bars { groups, .. } => {
                let rows: usize = groups.values().map(|bars| bars.len() + 2).sum();
                56 + BAR_HEIGHT as u32 * rows as u32
            }
        };
        let area = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        match &self.data {
            Data::Lines { axes, lines } => draw_lines(&area, self.title, *axes, lines)?,
            Data::Bars { unit, groups } => {
                let style = ("sans-serif", 18).into_text_style(&area);
                area.draw_text(&format!("{} ({unit})", self.title), &style, (12, 12))?;
                draw_bars(&area, groups)?;
            }
        }
        Ok(area.present()?)
    }
}

fn draw_lines(area: &Area<'_>, title: &str, axes: (&str, &str), lines: &Lines) -> Result<()> {
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        let values = lines.values().flatten().map(pick).filter(|value| *value > 0.0);
        values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    if left > right || low > high {
        return Err("it has no point above 0".into());
    }
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(72)
        .build_cartesian_2d(
            (left * 0.9..right * 1.15).log_scale(),
            (low * 0.7..high * 1.6).log_scale(),
        )?;
    let label = |value: &f64| match value {
        whole if whole.fract() == 0.0 => format!("{whole}"),
        other => short(*other),
    };
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(axes.0).y_desc(axes.1).x_label_formatter(&label).y_label_formatter(&label);
    mesh.light_line_style(WHITE).draw()?;
    for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
        chart.draw_series(dots)?;
    }
    let mut legend = chart.configure_series_labels();
    legend.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8));
    Ok(legend.border_style(WHITE).draw()?)
}

fn draw_bars(area: &Area<'_>, groups: &Groups) -> Result<()> {
    let style = ("sans-serif", 14).into_text_style(area);
    let mut colours: IndexMap<&str, RGBColor> = IndexMap::new();
    let mut top = 48;
    for (name, bars) in groups {
        if !name.is_empty() {
            area.draw_text(name, &style, (12, top))?;
            top += BAR_HEIGHT;
        }
        let most = bars.values().fold(f64::MIN_POSITIVE, |most, value| most.max(*value));
        for (name, value) in bars {
            let next = COLOURS[colours.len() % COLOURS.len()];
            let colour = colours.entry(name).or_insert(next);
            let right = 221 + (f64::from(WIDTH - 320) * value / most) as i32;
            let corners = [(220, top), (right, top + BAR_HEIGHT - 4)];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            area.draw_text(name, &style, (36, top + 1))?;
            area.draw_text(&short(*value), &style, (right + 7, top + 1))?;
            top += BAR_HEIGHT;
        }
        top += BAR_HEIGHT;
    }
    Ok(())
}

/// Three digits or so.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        0.0..1.0 => format!("{value:.3}"),
        1.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(groups: &[(&str, &str, f64)]) -> Plot {
        let mut all = Groups::new();
        for (group, name, value) in groups {
            all.entry((*group).into()).or_default().insert((*name).into(), *value);
        }
        Plot { name: "x", title: "memory", data: Data::Bars { unit: "bytes", groups: all } }
    }

    #[test]
    fn a_plot_names_its_series() {
        let points = vec![(10.0, 100.0), (1_000.0, 400.0)];
        let lines = Lines::from([("fanfare".into(), points)]);
        let data = Data::Lines { axes: ("members", "ns"), lines };
        let plot = Plot { name: "x", title: "title", data };
        let svg = plot.svg().expect("a picture");
        assert!(svg.starts_with("<svg") && svg.contains("fanfare") && svg.contains("title"));
        assert!(!plot.is_empty() && bars(&[]).is_empty());
        assert!(bars(&[("", "ws", 5_858.0)]).svg().expect("a picture").contains("5858"));
        let svg = bars(&[("one", "a", 0.25), ("two", "a", 1_234.0)]).svg().expect("a picture");
        assert!(["one", "two", "0.250", "1234"].iter().all(|text| svg.contains(text)));
        assert_eq!(svg.matches("#606060").count(), 2, "one name has one colour");
    }
}
