//! The CPU time of another process.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// The unit of the times in `/proc/PID/stat`, which is the same on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of the process so far, over all its threads.
///
/// `schedstat` counts this time in nanoseconds. This matters here, since a round of small requests
/// is only about ten ticks long. Kernels without `schedstat` have `stat`.
pub(crate) fn used(pid: u32) -> Result<Duration> {
    let process = format!("/proc/{pid}");
    if !Path::new(&process).exists() {
        return Err(
            format!("{process} does not exist: CPU time needs Linux, and a live Envoy").into(),
        );
    }
    if !Path::new(&process).join("schedstat").exists() {
        return ticks(&fs::read_to_string(format!("{process}/stat"))?);
    }
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("{process}/task"))? {
        match fs::read_to_string(thread?.path().join("schedstat")) {
            Ok(text) => total += nanoseconds(&text)?,
            // The thread has ended since the directory was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(total)
}

/// `schedstat` has: the time on the CPU, the time of waiting for it, and the number of time slices.
fn nanoseconds(schedstat: &str) -> Result<Duration> {
    let first = schedstat.split_whitespace().next();
    let nanoseconds = first.and_then(|number| number.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.ok_or_else(|| {
        format!("unreadable schedstat {schedstat:?}")
    })?))
}

/// In `stat`, utime and stime are the 14th and 15th value. They are counted after the name of the
/// command, since the name may have spaces and parentheses.
fn ticks(stat: &str) -> Result<Duration> {
    let values = stat
        .rsplit_once(')')
        .map(|(_, values)| values.split_whitespace());
    let times: Option<u32> = values.and_then(|values| {
        let mut times = values.skip(11).map_while(|value| value.parse::<u32>().ok());
        times.next()?.checked_add(times.next()?)
    });
    Ok(TICK * times.ok_or_else(|| format!("unreadable stat {stat:?}"))?)
}
