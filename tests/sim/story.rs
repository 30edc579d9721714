//! Stories: a setting and its actions, written down, played, and made smaller.

use crate::action::Action;
use crate::draw::Chance;
use crate::planted::Fault;
use crate::random::Random;
use crate::setting::Setting;
use crate::words::Words;
use crate::world::World;
use std::iter::repeat_n;

/// A setting, and its actions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Story {
    pub setting: Setting,
    pub actions: Vec<Action>,
}

impl Story {
    /// Reads a story: a line for each action, and first perhaps the setting. `times=N` repeats
    /// an action; `#` begins a remark.
    pub fn read(text: &str) -> Story {
        let mut story = Story::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let mut words = Words::new(line);
            match line.split_whitespace().next() {
                None => {}
                Some("set") => {
                    words.next();
                    story.setting = Setting::read(words);
                }
                Some(verb) => {
                    words.next();
                    let times = words.key("times").unwrap_or(1);
                    story.actions.extend(repeat_n(Action::read(verb, words), times));
                }
            }
        }
        story
    }

    /// What `read` reads.
    pub fn text(&self) -> String {
        let mut text = self.setting.text() + "\n";
        for same in self.actions.chunk_by(|one, other| one == other) {
            text += &match same.len() {
                1 => format!("{}\n", same[0].text()),
                times => format!("{} times={times}\n", same[0].text()),
            };
        }
        text
    }

    /// Plays it to the end.
    pub fn play(&self, fault: Option<Fault>) -> World {
        let mut world = World::new(self.setting.clone(), fault);
        self.actions.iter().for_each(|action| world.act(action));
        world.settle();
        world.end_of_time();
        world
    }
}

/// Plays the random actions of a seed, and writes them into `story`.
pub fn improvise(seed: u64, fault: Option<Fault>, story: &mut Story) -> World {
    let mut random = Random::new(seed);
    story.setting = Setting::draw(&mut random);
    let mut world = World::new(story.setting.clone(), fault);
    let rounds = random.between(100, 1200);
    let mut chance = Chance::new(random);
    for _ in 0..rounds {
        for action in chance.draw(&world) {
            story.actions.push(action.clone());
            world.act(&action);
        }
    }
    world.settle();
    world.end_of_time();
    world
}
