//! The tasks of a comparison.

use std::collections::HashMap;

use serde::Deserialize;

/// All tasks of comparisons: the tables of `tasks.toml`.
#[derive(Deserialize)]
pub(crate) struct Tasks {
    servers: Vec<Task>,
    compression: Vec<Task>,
    figures: HashMap<String, Vec<Figure>>,
}

/// One kind of work.
#[derive(Deserialize)]
pub(crate) struct Task {
    title: String,
    full: String,
    quick: Option<String>,
    /// Which of the lists of figures it has.
    figures: String,
    /// Servers keep messages.
    #[serde(default)]
    history: bool,
}

/// A field of a run's line, and what the table calls it.
#[derive(Deserialize)]
pub(crate) struct Figure {
    pub(crate) field: String,
    pub(crate) unit: String,
    pub(crate) scale: Option<f64>,
}

/// One task as this comparison runs it.
pub(crate) struct Job<'a> {
    pub(crate) title: &'a str,
    /// The load generator's arguments.
    pub(crate) arguments: &'a str,
    pub(crate) figures: &'a [Figure],
    pub(crate) history: bool,
}

impl Tasks {
    /// All of them.
    pub(crate) fn all() -> Self {
        toml::from_str(include_str!("tasks.toml")).expect("a file that a test has read")
    }

    /// Those of one kind of comparison with one of these parts in their title.
    pub(crate) fn jobs(&self, compression: bool, quick: bool, parts: &[String]) -> Vec<Job<'_>> {
        let all = if compression { &self.compression } else { &self.servers };
        let is_wanted =
            |task: &&Task| parts.is_empty() || parts.iter().any(|part| task.title.contains(part));
        let wanted = all.iter().filter(is_wanted);
        wanted.filter_map(|task| self.job(task, quick)).collect()
    }

    fn job<'a>(&'a self, task: &'a Task, quick: bool) -> Option<Job<'a>> {
        let arguments = if quick { task.quick.as_deref()? } else { &task.full };
        let title = if quick { arguments } else { &task.title };
        let figures = &self.figures[&task.figures];
        Some(Job { title, arguments, figures, history: task.history })
    }
}
