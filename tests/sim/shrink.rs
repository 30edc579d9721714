//! Makes a story of a fault smaller while it has the same fault.

use crate::planted::Fault;
use crate::story::Story;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The fault of a story; `None`: it has none.
pub fn fault_of(play: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(play)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
}

/// The kind of a fault: its first words without numbers.
fn kind(fault: &str) -> String {
    let words = fault.split_whitespace().filter(|word| !word.contains(|c: char| c.is_numeric()));
    words.take(4).collect::<Vec<_>>().join(" ")
}

impl Story {
    fn fails(&self, planted: Option<Fault>) -> Option<String> {
        fault_of(|| drop(self.play(planted)))
    }

    /// A story with the same fault from which no action can be taken, and in which everything is
    /// as usual that can be. `None` when its fault does not come again.
    pub fn shrunk(&self, planted: Option<Fault>) -> Option<(Story, String)> {
        let wrong = self.fails(planted)?;
        let kind = kind(&wrong);
        let mut smallest = Smallest { story: self.clone(), wrong, kind, planted };
        while smallest.drop_actions() | smallest.make_plainer() {}
        Some((smallest.story, smallest.wrong))
    }
}

/// The smallest story so far.
struct Smallest {
    story: Story,
    wrong: String,
    kind: String,
    planted: Option<Fault>,
}

impl Smallest {
    /// Takes another story in its place, if its fault is the same.
    fn becomes(&mut self, other: Story) -> bool {
        let wrong = other.fails(self.planted).filter(|wrong| kind(wrong) == self.kind);
        let Some(wrong) = wrong else { return false };
        (self.story, self.wrong) = (other, wrong);
        true
    }

    fn drop_actions(&mut self) -> bool {
        let before = self.story.actions.len();
        let mut step = before.div_ceil(2).max(1);
        loop {
            let (length, mut at) = (self.story.actions.len(), 0);
            while at < self.story.actions.len() {
                let mut smaller = self.story.clone();
                smaller.actions.drain(at..(at + step).min(smaller.actions.len()));
                at += if self.becomes(smaller) { 0 } else { step };
            }
            if step == 1 && self.story.actions.len() == length {
                return length < before;
            }
            step = (step / 2).max(1);
        }
    }

    fn make_plainer(&mut self) -> bool {
        let mut is_plainer = false;
        for thing in 0..self.story.setting.things() {
            if let Some(setting) = self.story.setting.plainer(thing) {
                is_plainer |= self.becomes(Story { setting, ..self.story.clone() });
            }
        }
        for at in 0..self.story.actions.len() {
            while let Some(()) = self.plainer_action(at) {
                is_plainer = true;
            }
        }
        is_plainer
    }

    fn plainer_action(&mut self, at: usize) -> Option<()> {
        let plainer = self.story.actions[at].plainer();
        plainer.into_iter().find_map(|action| {
            let mut story = self.story.clone();
            story.actions[at] = action;
            self.becomes(story).then_some(())
        })
    }
}
