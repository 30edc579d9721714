//! The measured part of a run that has publishers: warm-up, phase, figures.

use std::time::Duration;

use crate::error::{Error, usage};
use crate::latency;
use crate::options;
use crate::report::Report;
use crate::run::Run;
use crate::scene::{Outcome, Scene};
use crate::span::Span;
use crate::volley::{Beside, Until};

/// A time that somebody asked for.
pub(crate) fn seconds(value: f64) -> Result<Duration, Error> {
    match Duration::try_from_secs_f64(value) {
        Ok(time) if value <= 86_400.0 => Ok(time),
        _ => usage(format!("{value} is no number of seconds, from 0 to a day")),
    }
}

/// How much to send before what is measured.
pub(crate) fn warmup(span: &options::Span, publishers: usize) -> Result<Until, Error> {
    either(span.warmup_messages, span.warmup, publishers)
}

/// How much to send.
pub(crate) fn until(span: &options::Span, publishers: usize) -> Result<Until, Error> {
    either(span.messages, span.secs, publishers)
}

/// A count of messages shared among the publishers, or a time.
fn either(messages: Option<u64>, secs: f64, publishers: usize) -> Result<Until, Error> {
    let Some(messages) = messages else { return Ok(Until::Time(seconds(secs)?)) };
    match u32::try_from(messages.div_ceil(publishers.max(1) as u64)) {
        Ok(quota) if quota < u32::MAX / 2 => Ok(Until::Messages(quota)),
        _ => usage("more messages of one publisher than 31 bits count"),
    }
}

/// Warms up and measures; everything goes into the report but what went wrong.
pub(crate) fn measure(
    run: &Run,
    scene: &mut Scene,
    (warmup, until): (Until, Until),
    mut beside: Option<&mut (dyn Beside + Send)>,
    report: &mut Report,
) -> Result<Outcome, Error> {
    if !matches!(warmup, Until::Time(Duration::ZERO) | Until::Messages(0)) {
        scene.phase(run, warmup, beside.as_deref_mut().map(|beside| beside as _))?;
    }
    let span = Span::begin(&run.server)?;
    let outcome = scene.phase(run, until, beside)?;
    let taken = span.end()?;
    let wall = taken.wall.as_secs_f64();
    report.put("messages", outcome.messages);
    report.put("deliveries", outcome.deliveries);
    report.round("deliveries_per_s", outcome.deliveries as f64 / wall);
    report.bytes(outcome.wire_bytes, outcome.payload_bytes, outcome.deliveries);
    taken.share(report, "ns_per_delivery", outcome.deliveries, Duration::from_nanos(1));
    taken.put(report);
    taken.judge(outcome.busiest, report);
    if run.server.known() {
        report.memory("after", run.server.memory()?);
    }
    if run.stop.asked() {
        report.put("interrupted", true);
    }
    let times = scene.times(0);
    latency::put(report, "each", &times.each);
    latency::put(report, "last", &times.last);
    Ok(outcome)
}

/// Listens for what should not come, puts in what went wrong, and says goodbye.
pub(crate) fn finish(mut scene: Scene, report: &mut Report) -> Result<(), Error> {
    scene.aftermath()?;
    report.faults(scene.faults());
    scene.part()?;
    Ok(())
}
