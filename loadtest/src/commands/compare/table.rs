//! The table of a comparison: figures, and their ratios to the first server.

use serde_json::Value;

use super::task::Job;
use crate::commands::report::short;

/// One figure of one server over all rounds.
#[derive(Clone, Copy)]
struct Cell {
    quietest: f64,
    median: f64,
    /// In some round the client was the bottleneck.
    is_doubted: bool,
}

/// The table as Markdown, of the lines that came of these jobs.
pub(crate) fn markdown(servers: &[&str], jobs: &[Job<'_>], lines: &[Value]) -> String {
    let mut text = format!("| work | unit | {} |\n|---|---|", servers.join(" | "));
    text.push_str(&"--:|".repeat(servers.len()));
    text.push('\n');
    let (mut has_doubts, mut has_gaps) = (false, false);
    for job in jobs {
        for figure in job.figures {
            let scale = figure.scale.unwrap_or(1.0);
            let cell = |server: &&str| cell(lines, job.title, server, &figure.field, scale);
            let cells: Vec<Option<Cell>> = servers.iter().map(cell).collect();
            text.push_str(&format!("| {} | {} |", job.title, figure.unit));
            for cell in &cells {
                text.push_str(&cell.map_or(" – |".into(), |cell| cell.text(cells[0])));
                has_doubts |= cell.is_some_and(|cell| cell.is_doubted);
                has_gaps |= cell.is_none();
            }
            text.push('\n');
        }
    }
    text.push_str(&format!(
        "\nThe quietest round, and in brackets its ratio to {} and that of the medians.\n",
        servers.first().unwrap_or(&"the first")
    ));
    if has_doubts {
        text.push_str(
            "† The client was the bottleneck: time per unit stands, but the server was not at its \
             limit.\n",
        );
    }
    if has_gaps {
        text.push_str("– The server could not do the work, or a figure is not known.\n");
    }
    text
}

fn cell(lines: &[Value], title: &str, server: &str, field: &str, scale: f64) -> Option<Cell> {
    let own = lines.iter().filter(|line| line["title"] == title && line["server"] == server);
    let figures = own.clone().filter_map(|line| line[field].as_f64());
    let mut figures: Vec<f64> = figures.map(|figure| figure * scale).collect();
    figures.sort_by(f64::total_cmp);
    Some(Cell {
        quietest: *figures.first()?,
        median: figures[figures.len() / 2],
        is_doubted: own.clone().any(|line| line["doubt"].is_string()),
    })
}

impl Cell {
    fn text(self, base: Option<Self>) -> String {
        let mark = if self.is_doubted { "†" } else { "" };
        let figure = format!(" {}{mark}", short(self.quietest));
        match base.filter(|base| base.quietest > 0.0 && base.median > 0.0) {
            Some(base) => {
                let ratios = (self.quietest / base.quietest, self.median / base.median);
                format!("{figure} ({:.2}, {:.2}) |", ratios.0, ratios.1)
            }
            None => format!("{figure} |"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::compare::task::Figure;
    use serde_json::json;

    fn table(servers: &[&str], lines: &[Value]) -> String {
        let figures = [Figure { field: "ns".into(), unit: "ns".into(), scale: None }];
        markdown(
            servers,
            &[Job { title: "work", arguments: "", figures: &figures, history: false }],
            lines,
        )
    }

    #[test]
    fn quietest_and_median_beside_the_first_server() {
        let line = |(server, ns)| json!({ "server": server, "title": "work", "ns": ns });
        let lines = [("floor", 10.0), ("floor", 8.0), ("x", 12.0), ("x", 20.0)].map(line);
        let text = table(&["floor", "x", "y"], &lines);
        assert!(
            text.contains("| work | ns | 8.0 (1.00, 1.00) | 12.0 (1.50, 2.00) | – |"),
            "{text}"
        );
        assert!(!text.contains('†'));
    }

    #[test]
    fn a_doubted_figure_is_marked() {
        let line = json!({ "server": "x", "title": "work", "ns": 0.5, "doubt": "slow client" });
        assert!(table(&["x"], &[line]).contains("0.500† (1.00, 1.00)"));
    }
}
