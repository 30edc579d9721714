//! The table of a comparison: ratios to the first server, then what was measured.

use serde_json::Value;

use crate::task::Figure;

/// Servers and rows.
pub(crate) struct Table {
    servers: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One figure of one kind of work, for all servers.
pub(crate) struct Row {
    title: String,
    unit: String,
    cells: Vec<Option<Cell>>,
}

/// One figure of one server over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    quietest: f64,
    median: f64,
    /// In some round the client was the bottleneck.
    doubted: bool,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(servers: &[&str]) -> Self {
        Self { servers: servers.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// The table as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let servers = self.servers.join(" | ");
        let mut text = format!("| work | unit | {servers} |\n|---|---|");
        text.push_str(&"--:|".repeat(self.servers.len()));
        text.push('\n');
        let (mut doubted, mut missing) = (false, false);
        for row in &self.rows {
            text.push_str(&format!("| {} | {} |", row.title, row.unit));
            let base = row.cells.first().copied().flatten();
            for cell in &row.cells {
                text.push_str(&match cell {
                    Some(cell) => cell.text(base),
                    None => " – |".into(),
                });
                doubted |= cell.is_some_and(|cell| cell.doubted);
                missing |= cell.is_none();
            }
            text.push('\n');
        }
        text.push_str(&format!(
            "\nThe quietest round, and in brackets its ratio to {} and that of the medians.\n",
            self.servers.first().map_or("the first", String::as_str)
        ));
        if doubted {
            text.push_str(
                "† The client was the bottleneck: time per unit stands, but the server was not at \
                 its limit.\n",
            );
        }
        if missing {
            text.push_str("– The server could not do the work, or a figure is not known.\n");
        }
        text
    }
}

impl Row {
    /// Collects one field of the lines.
    pub(crate) fn new(title: &str, figure: &Figure, servers: &[&str], lines: &[&Value]) -> Self {
        let Figure { field, unit, scale } = *figure;
        let cell = |server: &&str| {
            let own = lines.iter().filter(|line| line["server"] == **server);
            let mut figures: Vec<f64> =
                own.clone().filter_map(|line| Some(line[field].as_f64()? * scale)).collect();
            figures.sort_by(f64::total_cmp);
            Some(Cell {
                quietest: *figures.first()?,
                median: figures[figures.len() / 2],
                doubted: own.clone().any(|line| line["doubt"].is_string()),
            })
        };
        Self { title: title.into(), unit: unit.into(), cells: servers.iter().map(cell).collect() }
    }
}

impl Cell {
    fn text(self, base: Option<Self>) -> String {
        let mark = if self.doubted { "†" } else { "" };
        match base.filter(|base| base.quietest > 0.0 && base.median > 0.0) {
            Some(base) => format!(
                " {}{mark} ({:.2}, {:.2}) |",
                short(self.quietest),
                self.quietest / base.quietest,
                self.median / base.median
            ),
            None => format!(" {}{mark} |", short(self.quietest)),
        }
    }
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
    use serde_json::json;

    const NS: Figure = Figure { field: "ns", unit: "ns", scale: 1.0 };

    #[test]
    fn quietest_and_median_beside_the_first_server() {
        let lines: Vec<Value> = [("floor", 10.0), ("floor", 8.0), ("x", 12.0), ("x", 20.0)]
            .iter()
            .map(|(server, ns)| json!({ "server": server, "ns": ns }))
            .collect();
        let lines: Vec<&Value> = lines.iter().collect();
        let mut table = Table::new(&["floor", "x", "y"]);
        table.rows.push(Row::new("work", &NS, &["floor", "x", "y"], &lines));
        let text = table.markdown();
        assert!(
            text.contains("| work | ns | 8.0 (1.00, 1.00) | 12.0 (1.50, 2.00) | – |"),
            "{text}"
        );
        assert!(!text.contains('†'));
    }

    #[test]
    fn what_is_doubted_is_marked() {
        let line = json!({ "server": "x", "ns": 0.5, "doubt": "slow client" });
        let mut table = Table::new(&["x"]);
        table.rows.push(Row::new("work", &NS, &["x"], &[&line]));
        assert!(table.markdown().contains("0.500† (1.00, 1.00)"));
    }
}
