//! Messages like a real site's, in JSON: the same in every run, and similar enough to compress.
//!
//! A body is repeated only after more than DEFLATE's window of 32 KiB, so that no server finds a
//! message whole in those before it.

/// A kind of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Corpus {
    /// Quotes whose numbers change, of 200 bytes or so.
    Ticker,
    /// Lines of a chat, English and Chinese.
    Chat,
    /// Snapshots of 60 machines, of 4 KB.
    Dashboard,
}

/// The part before the stamp of each message.
pub(crate) const FRONT: &[u8] = br#"{"id":""#;

/// The commonest first, as many as there are ranks.
const ENGLISH: &str = include_str!("../../corpora/english.txt");
const CHINESE: &str = include_str!("../../corpora/chinese.txt");

const SYMBOLS: [&str; 31] = [
    "FNFR", "ACME", "GLBX", "INTK", "HOOL", "UMBR", "STRK", "WAYN", "CYBD", "SOYL", "INIT", "MASV",
    "PIED", "ALDN", "OSCP", "VNDL", "BLUN", "DHRM", "TYRL", "WYLD", "NAKT", "OMNI", "GRNG", "BUYN",
    "SIRS", "MOMC", "VEHM", "KRUS", "PLNX", "QRKS", "ZORG",
];
const NAMES: &str = "小林 Anna 阿杰 tomw 王晓雨 mika 李想 J.Ortiz 陈默 Sara 老周 dev_42 晴天 Paul 张伟 Ines \
                     小鱼儿 Kwame 赵一 lena 大熊 Omar 苏苏 Bea 何必 Yuki 刘洋 Nils 木子 Priya 阿福";
const ROLES: [&str; 5] = ["api", "web", "db", "cache", "queue"];
const ROWS: usize = 60;

/// Monday morning, in milliseconds since 1970.
const OPENING_MS: usize = 1_772_442_000_000;

impl Corpus {
    /// How many bodies a publisher has, a power of two.
    pub(crate) fn bodies_each(self) -> usize {
        match self {
            Self::Ticker => 256,
            Self::Chat => 512,
            Self::Dashboard => 16,
        }
    }

    /// The bodies of one publisher in turn: what follows the stamp.
    pub(crate) fn bodies(self, publisher: usize) -> Vec<Box<[u8]>> {
        let bodies = self.generate(&mut Dice(publisher as u64), self.bodies_each());
        bodies.into_iter().map(|body| body.into_bytes().into()).collect()
    }

    fn generate(self, dice: &mut Dice, count: usize) -> Vec<String> {
        match self {
            Self::Ticker => ticker(dice, count),
            Self::Chat => chat(dice, count),
            Self::Dashboard => dashboard(dice, count),
        }
    }
}

/// A generator that is the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word = (word ^ word >> 31) >> 32;
        ((word * end as u64) >> 32) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// A place below 2 to the power of `octaves`, less one. The one that is twice as far down is
    /// half as likely, as words are in a language (Zipf's law).
    fn rank(&mut self, octaves: usize) -> usize {
        let first = 1 << self.below(octaves);
        first + self.below(first) - 1
    }

    /// A small step up or down, by `most` at most.
    fn step(&mut self, value: &mut usize, most: usize, bounds: (usize, usize)) {
        let up = *value + self.below(2 * most + 1);
        *value = up.saturating_sub(most).clamp(bounds.0, bounds.1);
    }
}

/// A number with decimals.
fn decimal(value: usize, decimals: u32) -> String {
    let one = 10_usize.pow(decimals);
    format!("{}.{:0width$}", value / one, value % one, width = decimals as usize)
}

fn ticker(dice: &mut Dice, count: usize) -> Vec<String> {
    let mut at_ms = OPENING_MS + dice.below(3_600_000);
    let mut cents: Vec<usize> = SYMBOLS.iter().map(|_| 1_000 + dice.below(40_000)).collect();
    let mut volumes: Vec<usize> = SYMBOLS.iter().map(|_| dice.below(9_000_000)).collect();
    let opening = cents.clone();
    let mut quote = |_| {
        at_ms += 1 + dice.below(90);
        let which = dice.rank(5);
        dice.step(&mut cents[which], 4, (500, 60_000));
        let (bid, ask) = (cents[which], cents[which] + 1 + dice.below(4));
        let [bid_size, ask_size, last_size] = [(); 3].map(|()| 100 * (1 + dice.rank(5)));
        volumes[which] += last_size;
        format!(
            concat!(
                r#"","type":"quote","symbol":"{}","bid":{},"bid_size":{},"ask":{},"ask_size":{},"#,
                r#""last":{},"last_size":{},"volume":{},"change":{}{},"time":{}}}"#
            ),
            SYMBOLS[which],
            decimal(bid, 2),
            bid_size,
            decimal(ask, 2),
            ask_size,
            decimal(if dice.one_in(2) { bid } else { ask }, 2),
            last_size,
            volumes[which],
            if bid < opening[which] { "-" } else { "" },
            decimal(bid.abs_diff(opening[which]), 2),
            at_ms,
        )
    };
    (0..count).map(&mut quote).collect()
}

fn chat(dice: &mut Dice, count: usize) -> Vec<String> {
    let english: Vec<&str> = ENGLISH.split_whitespace().collect();
    let chinese: Vec<&str> = CHINESE.split_whitespace().collect();
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    let mut at_ms = OPENING_MS + dice.below(3_600_000);
    let mut line = |_| {
        at_ms += 200 + dice.below(20_000);
        let user = dice.rank(5);
        let text = if user.is_multiple_of(2) {
            chinese_line(dice, &chinese)
        } else {
            english_line(dice, &english)
        };
        let id = 10_007 + user * 7_919 % 89_989;
        let name = names[user];
        format!(r#"","type":"message","user":{id},"name":"{name}","at":{at_ms},"text":"{text}"}}"#)
    };
    (0..count).map(&mut line).collect()
}

/// Words, numbers now and then, and words that are in no list.
fn english_line(dice: &mut Dice, words: &[&str]) -> String {
    let mut line = Vec::new();
    for _ in 0..=dice.rank(4) + dice.below(4) {
        line.push(match dice.below(24) {
            0 => dice.below(2_000).to_string(),
            1 | 2 => (0..2 + dice.below(6)).map(|_| letter(dice)).collect(),
            _ => words[dice.rank(9)].to_owned(),
        });
    }
    line.join(" ") + ["", "", ".", "!", "?", "...", " :)"][dice.below(7)]
}

fn letter(dice: &mut Dice) -> char {
    char::from(b"etaoinshrdlucmfwypvbgkqjxz"[dice.below(26)])
}

/// The same without blanks; a word that is in no list has characters of two that are.
fn chinese_line(dice: &mut Dice, words: &[&str]) -> String {
    let mut line = String::new();
    for _ in 0..=dice.rank(4) + dice.below(3) {
        match dice.below(24) {
            0 => line.push_str(&dice.below(2_000).to_string()),
            1 | 2 => {
                let rare = [(); 2].map(|()| words[dice.below(words.len())]);
                line.extend(rare.iter().filter_map(|word| word.chars().last()));
            }
            3 => line.push('，'),
            _ => line.push_str(words[dice.rank(9)]),
        }
    }
    line + ["", "", "。", "！", "？", "～", "[笑]"][dice.below(7)]
}

/// The figures of one machine: in tenths of a percent, per second, in tenths of a millisecond.
#[derive(Clone, Copy)]
struct Machine {
    cpu: usize,
    mem: usize,
    rps: usize,
    p99: usize,
}

fn dashboard(dice: &mut Dice, count: usize) -> Vec<String> {
    let mut at_ms = OPENING_MS + dice.below(3_600_000);
    let new = |_| Machine {
        cpu: dice.below(900),
        mem: 200 + dice.below(700),
        rps: dice.below(5_000),
        p99: 20 + dice.below(2_000),
    };
    let mut machines: Vec<Machine> = (0..ROWS).map(new).collect();
    let mut snapshot = |_| {
        at_ms += 1_000 + dice.below(5);
        let mut rows = Vec::new();
        for (number, machine) in machines.iter_mut().enumerate() {
            dice.step(&mut machine.cpu, 60, (1, 1_000));
            if dice.one_in(3) {
                dice.step(&mut machine.mem, 5, (100, 990));
            }
            dice.step(&mut machine.rps, 90, (0, 9_999));
            dice.step(&mut machine.p99, 30, (10, 9_999));
            let role = ROLES[number % ROLES.len()];
            rows.push(format!(
                r#"{{"server":"{role}-{:02}","cpu":{},"mem":{},"rps":{},"p99":{}}}"#,
                number / ROLES.len() + 1,
                decimal(machine.cpu, 1),
                decimal(machine.mem, 1),
                machine.rps,
                decimal(machine.p99, 1),
            ));
        }
        format!(r#"","type":"snapshot","at":{at_ms},"rows":[{}]}}"#, rows.join(","))
    };
    (0..count).map(&mut snapshot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};
    use std::collections::HashSet;

    const ALL: [Corpus; 3] = [Corpus::Ticker, Corpus::Chat, Corpus::Dashboard];
    const WINDOW_BYTES: usize = 32 * 1024;

    fn messages(corpus: Corpus, publisher: usize) -> Vec<String> {
        let whole = |(number, body): (usize, Box<[u8]>)| {
            let body = String::from_utf8(body.into()).expect("UTF-8");
            format!(r#"{{"id":"{publisher:08x}{number:08x}{body}"#)
        };
        corpus.bodies(publisher).into_iter().enumerate().map(whole).collect()
    }

    #[test]
    fn messages_are_json_of_the_documented_size() {
        for (corpus, least, most) in [
            (Corpus::Ticker, 190, 220),
            (Corpus::Chat, 110, 150),
            (Corpus::Dashboard, 3_900, 4_200),
        ] {
            let messages = messages(corpus, 0);
            for message in &messages {
                let json: serde_json::Value = serde_json::from_str(message).expect(message);
                assert_eq!(json["id"].as_str().map(str::len), Some(16));
            }
            let mean = messages.iter().map(String::len).sum::<usize>() / messages.len();
            assert!((least..most).contains(&mean), "{corpus:?}: {mean}");
        }
    }

    #[test]
    fn no_body_is_repeated_within_a_window() {
        for corpus in ALL {
            let mut seen = HashSet::new();
            for publisher in 0..3 {
                let bodies = corpus.bodies(publisher);
                assert!(bodies.len() == corpus.bodies_each() && bodies.len().is_power_of_two());
                assert_eq!(bodies, corpus.bodies(publisher), "the same in every run");
                let longest = bodies.iter().map(|body| body.len()).max().expect("a body");
                let all: usize = bodies.iter().map(|body| body.len()).sum();
                assert!(all > WINDOW_BYTES + longest, "{corpus:?}: {all}");
                assert!(bodies.into_iter().all(|body| seen.insert(body)), "{corpus:?}");
            }
        }
    }

    #[test]
    fn a_second_round_compresses_like_new_messages() {
        for corpus in ALL {
            let count = corpus.bodies_each();
            let fresh = corpus.generate(&mut Dice(0), 2 * count);
            let again = [&fresh[..count], &fresh[..count]].concat();
            let [expected, found] = [fresh, again].map(|bodies| {
                let mut deflater = Compress::new(Compression::new(9), false);
                let (mut packed, mut bytes) = (Vec::with_capacity(8_000), 0);
                for (number, body) in bodies.iter().enumerate() {
                    packed.clear();
                    let text = format!(r#"{{"id":"{number:016x}{body}"#);
                    let all =
                        deflater.compress_vec(text.as_bytes(), &mut packed, FlushCompress::Sync);
                    all.expect("room for it");
                    bytes += if number < count { 0 } else { packed.len() };
                }
                bytes as f64 / count as f64
            });
            let ratio = found / expected;
            assert!(ratio > 0.97 && ratio < 1.03, "{corpus:?}: {found}, {expected}");
        }
    }

    #[test]
    fn every_rank_has_a_word() {
        for (list, count) in [(ENGLISH, 511), (CHINESE, 511), (NAMES, 31)] {
            let words: HashSet<&str> = list.split_whitespace().collect();
            assert_eq!((words.len(), list.split_whitespace().count()), (count, count));
        }
        let mut dice = Dice(1);
        assert!((0..10_000).all(|_| dice.rank(5) < SYMBOLS.len()));
    }
}
