//! Plots as SVG.

use std::fmt::Display;

use plotters::prelude::*;

use crate::error::{Error, usage};
use crate::table::short;

/// Colours that differ in brightness too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(96, 96, 96),
    RGBColor(214, 69, 40),
    RGBColor(38, 110, 178),
    RGBColor(58, 150, 87),
    RGBColor(150, 92, 170),
    RGBColor(205, 150, 20),
];
const SIZE: (u32, u32) = (760, 420);
const BAR_HEIGHT: u32 = 34;
/// Bars of a group are thinner, and its name has a line above them.
const GROUP_BAR_HEIGHT: i32 = 20;

/// A name and points.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Bars that belong together.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) bars: Vec<(String, f64)>,
}

/// One picture.
pub(crate) struct Plot {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    kind: Kind,
}

enum Kind {
    /// Both axes are logarithmic.
    Lines {
        axes: (&'static str, &'static str),
        series: Vec<Series>,
    },
    Bars {
        unit: &'static str,
        bars: Vec<(String, f64)>,
    },
    Groups {
        unit: &'static str,
        groups: Vec<Group>,
    },
}

fn failed(cause: impl Display) -> Error {
    Error::Usage(format!("a plot cannot be drawn: {cause}"))
}

impl Plot {
    /// Lines over logarithmic axes.
    pub(crate) fn lines(
        name: &'static str,
        title: &'static str,
        axes: (&'static str, &'static str),
        series: Vec<Series>,
    ) -> Self {
        Self { name, title, kind: Kind::Lines { axes, series } }
    }

    /// Bars, one below the other.
    pub(crate) fn bars(
        name: &'static str,
        title: &'static str,
        unit: &'static str,
        bars: Vec<(String, f64)>,
    ) -> Self {
        Self { name, title, kind: Kind::Bars { unit, bars } }
    }

    /// Groups of bars, each with a scale of its own; bars of one name have one colour.
    pub(crate) fn groups(
        name: &'static str,
        title: &'static str,
        unit: &'static str,
        groups: Vec<Group>,
    ) -> Self {
        Self { name, title, kind: Kind::Groups { unit, groups } }
    }

    /// Whether there is nothing to see: a line needs two points.
    pub(crate) fn empty(&self) -> bool {
        match &self.kind {
            Kind::Lines { series, .. } => series.iter().all(|series| series.points.len() < 2),
            Kind::Bars { bars, .. } => bars.is_empty(),
            Kind::Groups { groups, .. } => groups.is_empty(),
        }
    }

    /// All values, for tests.
    #[cfg(test)]
    pub(crate) fn values(&self) -> Vec<f64> {
        match &self.kind {
            Kind::Lines { series, .. } => {
                series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect()
            }
            Kind::Bars { bars, .. } => bars.iter().map(|bar| bar.1).collect(),
            Kind::Groups { groups, .. } => {
                groups.iter().flat_map(|group| group.bars.iter().map(|bar| bar.1)).collect()
            }
        }
    }

    /// Draws it.
    pub(crate) fn svg(&self) -> Result<String, Error> {
        match &self.kind {
            Kind::Lines { axes, series } => draw_lines(self.title, *axes, series),
            Kind::Bars { unit, bars } => draw_bars(self.title, unit, bars),
            Kind::Groups { unit, groups } => draw_groups(self.title, unit, groups),
        }
    }
}

fn draw_lines(title: &str, axes: (&str, &str), all: &[Series]) -> Result<String, Error> {
    let points = || all.iter().flat_map(|series| &series.points);
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        let values = points().map(pick).filter(|value| *value > 0.0);
        values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = (bounds(|p| p.0), bounds(|p| p.1));
    if left > right || low > high {
        return usage("a plot has no point above 0");
    }
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(72)
            .build_cartesian_2d(
                (left * 0.9..right * 1.15).log_scale(),
                (low * 0.7..high * 1.6).log_scale(),
            )
            .map_err(failed)?;
        let label = |value: &f64| match value {
            whole if whole.fract() == 0.0 => format!("{whole}"),
            other => short(*other),
        };
        chart
            .configure_mesh()
            .x_desc(axes.0)
            .y_desc(axes.1)
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .light_line_style(WHITE)
            .draw()
            .map_err(failed)?;
        for (series, colour) in all.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(series.points.iter().copied(), style))
                .map_err(failed)?
                .label(series.name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            let dots = series.points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(dots).map_err(failed)?;
        }
        let mut legend = chart.configure_series_labels();
        let legend =
            legend.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8));
        legend.border_style(WHITE).draw().map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(text)
}

fn draw_bars(title: &str, unit: &str, bars: &[(String, f64)]) -> Result<String, Error> {
    let height = 70 + BAR_HEIGHT * bars.len() as u32;
    let most = bars.iter().fold(f64::MIN_POSITIVE, |most, (_, value)| most.max(*value));
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (SIZE.0, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let style = ("sans-serif", 18).into_text_style(&area);
        area.draw_text(&format!("{title} ({unit})"), &style, (12, 12)).map_err(failed)?;
        let small = ("sans-serif", 14).into_text_style(&area);
        for (number, ((name, value), colour)) in bars.iter().zip(COLOURS.iter().cycle()).enumerate()
        {
            let top = 48 + number as i32 * BAR_HEIGHT as i32;
            let width = (f64::from(SIZE.0 - 320) * value / most) as i32;
            let bar = Rectangle::new([(220, top), (221 + width, top + 22)], colour.filled());
            area.draw(&bar).map_err(failed)?;
            area.draw_text(name, &small, (12, top + 4)).map_err(failed)?;
            area.draw_text(&short(*value), &small, (228 + width, top + 4)).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(text)
}

fn draw_groups(title: &str, unit: &str, groups: &[Group]) -> Result<String, Error> {
    let lines: usize = groups.iter().map(|group| group.bars.len() + 2).sum();
    let height = 56 + GROUP_BAR_HEIGHT as u32 * lines as u32;
    let names = groups.iter().flat_map(|group| &group.bars).map(|(name, _)| name.as_str());
    let mut known: Vec<&str> = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let colour = |name: &str| {
        let place = known.iter().position(|known| *known == name);
        COLOURS[place.unwrap_or(0) % COLOURS.len()]
    };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (SIZE.0, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let style = ("sans-serif", 18).into_text_style(&area);
        area.draw_text(&format!("{title} ({unit})"), &style, (12, 12)).map_err(failed)?;
        let small = ("sans-serif", 14).into_text_style(&area);
        let mut top = 48;
        for Group { name, bars } in groups {
            area.draw_text(name, &small, (12, top)).map_err(failed)?;
            top += GROUP_BAR_HEIGHT;
            let most = bars.iter().fold(f64::MIN_POSITIVE, |most, (_, value)| most.max(*value));
            for (name, value) in bars {
                let width = (f64::from(SIZE.0 - 320) * value / most) as i32;
                let corners = [(220, top), (221 + width, top + GROUP_BAR_HEIGHT - 4)];
                area.draw(&Rectangle::new(corners, colour(name).filled())).map_err(failed)?;
                area.draw_text(name, &small, (36, top + 1)).map_err(failed)?;
                let place = (228 + width, top + 1);
                area.draw_text(&short(*value), &small, place).map_err(failed)?;
                top += GROUP_BAR_HEIGHT;
            }
            top += GROUP_BAR_HEIGHT;
        }
        area.present().map_err(failed)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_series() {
        let points = vec![(10.0, 100.0), (1_000.0, 400.0)];
        let series = vec![Series { name: "fanfare".into(), points }];
        let plot = Plot::lines("x", "title", ("members", "ns"), series);
        let svg = plot.svg().expect("a picture");
        assert!(svg.starts_with("<svg") && svg.contains("fanfare") && svg.contains("title"));
        assert!(!plot.empty() && Plot::bars("x", "y", "z", Vec::new()).empty());
        let bars = Plot::bars("x", "memory", "bytes", vec![("ws".into(), 5_858.0)]);
        assert!(bars.svg().expect("a picture").contains("5858"));
        let group =
            |name: &str, value| Group { name: name.into(), bars: vec![("a".into(), value)] };
        let groups = Plot::groups("x", "y", "z", vec![group("one", 0.25), group("two", 1_234.0)]);
        let svg = groups.svg().expect("a picture");
        assert!(["one", "two", "0.250", "1234"].iter().all(|text| svg.contains(text)));
        assert_eq!(svg.matches("#606060").count(), 2, "one name has one colour");
    }
}
