//! Two samples as a block of at most 23 lines of at most 80 columns.

use super::scrape::Sample;
use crate::plain::harmless;
use std::fmt::Write;

/// The most reasons that are named in a line.
const REASONS: usize = 3;

/// The rates between two samples, and the state at the second.
pub(super) fn block(place: &str, before: &Sample, now: &Sample) -> String {
    let view = View { before, now, seconds: (now.at - before.at).as_secs_f64().max(0.001) };
    let mut text = String::new();
    for line in view.lines(place) {
        let line: String = harmless(&line).take(80).collect();
        writeln!(text, "{}", line.trim_end()).expect("writing to memory");
    }
    text
}

struct View<'a> {
    before: &'a Sample,
    now: &'a Sample,
    seconds: f64,
}

impl View<'_> {
    fn lines(&self, place: &str) -> Vec<String> {
        let now = |name: &str| number(self.now.get(name));
        let bytes = |name: &str| bytes(self.now.get(name));
        let version = self.now.labelled("fanfare_build_info").next().map_or("", |(name, _)| name);
        let ready = match (self.now.get("fanfare_ready"), self.now.get("fanfare_draining")) {
            (1.0, _) => "ready",
            (_, 1.0) => "draining",
            _ => "not ready",
        };
        let states = self.now.labelled("fanfare_connections").filter(|(_, count)| *count > 0.0);
        let states: Vec<String> =
            states.map(|(state, count)| format!("{} {state}", number(count))).collect();
        let all: f64 = self.now.labelled("fanfare_connections").map(|(_, count)| count).sum();
        let mut lines = vec![
            format!("fanfare {version} at {place}: {ready}"),
            String::new(),
            format!(
                "connections  {} of {}: {}",
                number(all),
                now("fanfare_connections_limit"),
                states.join(", ")
            ),
            format!(
                "members      {} in {} rooms; {} behind, {} blocked, {} paused",
                now("fanfare_members"),
                now("fanfare_rooms"),
                now("fanfare_behind_members"),
                now("fanfare_blocked_connections"),
                now("fanfare_paused_connections"),
            ),
            String::new(),
        ];
        lines.extend(self.rates());
        lines.push(String::new());
        lines.push(format!(
            "turn         {}; at work {}",
            self.quantiles("fanfare_turn_seconds"),
            self.share("fanfare_turn_seconds_sum")
        ));
        lines.push(format!("fan-out      {}", self.quantiles("fanfare_fanout_seconds")));
        lines.push(format!("compression  {}", self.compression()));
        lines.push(format!(
            "logs         {} of {}; the largest room's {} of {}",
            bytes("fanfare_log_bytes"),
            bytes("fanfare_log_limit_bytes"),
            bytes("fanfare_largest_room_log_bytes"),
            bytes("fanfare_room_log_limit_bytes"),
        ));
        lines.push(format!(
            "unfinished   {} of {}; private {}",
            bytes("fanfare_connection_bytes"),
            bytes("fanfare_connection_limit_bytes"),
            bytes("fanfare_private_bytes"),
        ));
        lines.push(format!(
            "process      {} resident, processor {}, {} of {} descriptors",
            bytes("process_resident_memory_bytes"),
            self.share("process_cpu_seconds_total"),
            now("process_open_fds"),
            now("process_max_fds"),
        ));
        lines.push(format!("closes       {}", self.reasons("fanfare_closes_total")));
        lines.push(format!("refusals     {}", self.reasons("fanfare_refusals_total")));
        lines
    }

    /// Rates in two columns, each with the sum behind it.
    fn rates(&self) -> Vec<String> {
        let rows = [
            [("messages in", "fanfare_messages_total"), ("deliveries", "fanfare_deliveries_total")],
            [("accepts", "fanfare_accepts_total"), ("upgrades", "fanfare_upgrades_total")],
            [("missed", "fanfare_skipped_messages_total"), ("cut", "fanfare_cuts_total")],
            [("pings", "fanfare_pings_total"), ("heartbeats", "fanfare_heartbeats_total")],
        ];
        let cell = |(title, name): (&str, &str)| {
            let rate = format!("{}/s", number(self.rate(name).round()));
            format!("{title:<12} {rate:>11} {:>14}", number(self.now.get(name)))
        };
        let row = |[left, right]: [(&str, &str); 2]| format!("{}  {}", cell(left), cell(right));
        let mut lines: Vec<String> = rows.into_iter().map(row).collect();
        let bytes_cell = |(title, name): (&str, &str)| {
            let rate = format!("{}/s", bytes(self.rate(name)));
            format!("{title:<12} {rate:>11} {:>14}", bytes(self.now.get(name)))
        };
        let (bytes_in, bytes_out) = ("fanfare_received_bytes_total", "fanfare_sent_bytes_total");
        let (left, right) =
            (bytes_cell(("bytes in", bytes_in)), bytes_cell(("bytes out", bytes_out)));
        lines.insert(1, format!("{left}  {right}"));
        lines
    }

    /// The rate of compressed messages, the ratio of all payload so far, and the savings.
    fn compression(&self) -> String {
        let (_, bytes_in) = self.rate_and_sum("fanfare_compression_in_bytes_total");
        let (_, bytes_out) = self.rate_and_sum("fanfare_compression_out_bytes_total");
        if bytes_in == 0.0 {
            return "none".to_owned();
        }
        let (saved_rate, saved) = self.rate_and_sum("fanfare_compression_saved_bytes_total");
        format!(
            "{}/s to {:.0} %; saved {}/s {}; {} of {} contexts",
            number(self.rate_and_sum("fanfare_compressed_messages_total").0.round()),
            bytes_out / bytes_in * 100.0,
            bytes(saved_rate),
            bytes(saved),
            number(self.now.get("fanfare_compressors")),
            number(self.now.get("fanfare_compressors_limit")),
        )
    }

    /// The same for a family with labels, summed.
    fn rate_and_sum(&self, name: &str) -> (f64, f64) {
        let sum = |sample: &Sample| sample.labelled(name).map(|(_, value)| value).sum::<f64>();
        let (before, now) = (sum(self.before), sum(self.now));
        (self.grown(before, now) / self.seconds, now)
    }

    /// A counter's growth in a second; one that fell was reset.
    fn rate(&self, name: &str) -> f64 {
        self.grown(self.before.get(name), self.now.get(name)) / self.seconds
    }

    fn grown(&self, before: f64, now: f64) -> f64 {
        if now < before { now } else { now - before }
    }

    /// The growth of a sum of seconds, as a share of the time.
    fn share(&self, name: &str) -> String {
        format!("{:.1} %", self.rate(name) * 100.0)
    }

    fn quantiles(&self, name: &str) -> String {
        let buckets_name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (bound, count) in self.now.labelled(&buckets_name) {
            let before = self.before.get(&format!("{buckets_name}{{le=\"{bound}\"}}"));
            let bound = bound.replace("+Inf", "inf").parse().unwrap_or(f64::INFINITY);
            buckets.push((bound, self.grown(before, count)));
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all = buckets.last().map_or(0.0, |(_, count)| *count);
        if all == 0.0 {
            return "none".to_owned();
        }
        let upto = |share: f64| {
            let found = buckets.iter().find(|(_, count)| *count >= all * share);
            duration(found.map_or(f64::INFINITY, |(bound, _)| *bound))
        };
        let rate = number((all / self.seconds).round());
        format!("{rate}/s; half within {}, 99 % within {}", upto(0.5), upto(0.99))
    }

    /// The most frequent reasons, those of the last second first.
    fn reasons(&self, name: &str) -> String {
        let mut reasons: Vec<(f64, f64, &str)> = Vec::new();
        for (reason, count) in self.now.labelled(name).filter(|(_, count)| *count > 0.0) {
            let before = self.before.get(&format!("{name}{{reason=\"{reason}\"}}"));
            reasons.push((self.grown(before, count) / self.seconds, count, reason));
        }
        reasons
            .sort_by(|one, other| (other.0, other.1).partial_cmp(&(one.0, one.1)).expect("no NaN"));
        let named = reasons.iter().take(REASONS).map(|(rate, count, reason)| {
            format!("{reason} {}/s {}", number(rate.round()), number(*count))
        });
        let named: Vec<String> = named.collect();
        if named.is_empty() { "none".to_owned() } else { named.join(", ") }
    }
}

/// A whole number with commas between thousands.
fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in a unit that leaves at most four digits.
fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" || value >= 100.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        _ if seconds.is_infinite() => "more than 4 s".to_owned(),
        _ if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::is_shown;
    use std::time::Duration;

    fn sample(text: &str) -> Sample {
        Sample::read(text)
    }

    #[test]
    fn rates_are_between_two_samples() {
        let before = sample(
            "fanfare_messages_total 100\nfanfare_pings_total 50\n\
             fanfare_compressed_messages_total{context=\"none\"} 10\n",
        );
        let mut now = sample(
            "# HELP a b\nfanfare_messages_total 3100\nfanfare_pings_total 6\n\
             fanfare_members 12345\nfanfare_closes_total{reason=\"reset\"} 8\nfanfare_ready 1\n\
             fanfare_closes_total{reason=\"no_pong\"} 0\n\
             fanfare_refusals_total{reason=\"origin\"} 0\n\
             fanfare_build_info{version=\"1.2.3\"} 1\n\
             fanfare_compressed_messages_total{context=\"none\"} 20\n\
             fanfare_compressed_messages_total{context=\"shared\"} 30\n\
             fanfare_compression_in_bytes_total{context=\"none\"} 1000\n\
             fanfare_compression_out_bytes_total{context=\"none\"} 230\n\
             fanfare_compression_saved_bytes_total{context=\"none\"} 4096\n\
             fanfare_compressors 3\nfanfare_compressors_limit 51\n\
             fanfare_turn_seconds_bucket{le=\"0.000008\"} 1\n\
             fanfare_turn_seconds_bucket{le=\"0.5\"} 2\n\
             fanfare_turn_seconds_bucket{le=\"+Inf\"} 4\n",
        );
        now.at = before.at + Duration::from_secs(2);
        let block = block("127.0.0.1:1", &before, &now);
        for part in [
            "fanfare 1.2.3 at 127.0.0.1:1: ready\n",
            "messages in      1,500/s          3,100",
            "pings                3/s              6", // it was reset
            "members      12,345 in 0 rooms",
            "turn         2/s; half within 500 ms, 99 % within more than 4 s;",
            "fan-out      none\n",
            "compression  20/s to 23 %; saved 2.0 KiB/s 4.0 KiB; 3 of 51 contexts\n",
            "closes       reset 4/s 8\n",
            "refusals     none\n",
        ] {
            assert!(block.contains(part), "no {part:?} in\n{block}");
        }
    }

    #[test]
    fn an_answer_cannot_control_the_terminal() {
        let evil = "\x1b]0;x\x07\x1b[2J\r\t\u{9b}31m\u{7f}\u{202e}";
        let mut now = sample(&format!(
            "fanfare_build_info{{version=\"1{evil}\"}} 1\nfanfare_ready 1\n\
             fanfare_closes_total{{reason=\"{evil}\"}} 8\n\
             fanfare_connections{{state=\"{evil}\"}} 8\n"
        ));
        let before = sample("");
        now.at = before.at + Duration::from_secs(1);
        let block = block(&format!("unix:{evil}"), &before, &now);
        assert!(block.lines().flat_map(str::chars).all(is_shown), "{block:?}");
        assert!(block.contains("\u{fffd}]0;x") && block.contains(" 8/s 8\n"), "{block:?}");
    }

    #[test]
    fn it_fits_on_a_small_terminal() {
        let mut text = String::new();
        let long =
            ["a_reason_with_a_long_name_1", "a_reason_with_a_long_name_2", "third", "fourth"];
        for reason in long {
            writeln!(text, "fanfare_closes_total{{reason=\"{reason}\"}} 123456789012")
                .expect("memory");
        }
        for state in
            ["handshake", "open", "failing", "closing", "flushing", "lingering", "finishing"]
        {
            writeln!(text, "fanfare_connections{{state=\"{state}\"}} 1234567").expect("memory");
        }
        for name in ["messages", "deliveries", "received_bytes", "sent_bytes"] {
            writeln!(text, "fanfare_{name}_total 12345678901").expect("memory");
        }
        for name in ["compressed_messages", "compression_in_bytes", "compression_saved_bytes"] {
            let context = "{context=\"none\"}";
            writeln!(text, "fanfare_{name}_total{context} 123456789012").expect("memory");
        }
        let (empty, now) = (sample(""), sample(&text));
        let block = block("unix:/a/rather/long/path/to/the/admin.sock", &empty, &now);
        assert!(block.lines().count() <= 23, "{block}");
        assert!(block.lines().all(|line| line.chars().count() <= 80), "{block}");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!([0.0, 999.0, 1234567.0].map(number), ["0", "999", "1,234,567"]);
        assert_eq!([0.0, 999.0, 1000.0].map(bytes), ["0 B", "999 B", "1.0 KiB"]);
        assert_eq!([134217728.0, 5e9].map(bytes), ["128 MiB", "4.7 GiB"]);
        assert_eq!([0.000016, 0.004096, 2.1].map(duration), ["16 µs", "4 ms", "2 s"]);
    }
}
