//! What the machine says: CPU time and memory of the broker's processes, of this thread, and of each core.
//!
//! Everything comes from `/proc`; where there is none, the figures are left out.

use serde::Serialize;
use std::{fs, time::Duration};

/// CPU time, user and system together, of the processes `pids` since they began; `None` when one is gone.
#[must_use]
pub fn cpu_time(pids: &[u32]) -> Option<Duration> {
    let mut ticks = 0;
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        ticks += stat_ticks(&stat)?;
    }
    Some(Duration::from_secs_f64(ticks as f64 / ticks_per_second()))
}

/// utime + stime of a line of `/proc/PID/stat`. The command's name stands in parentheses and may contain
/// anything, so the fields are counted from the last parenthesis.
fn stat_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory of the processes `pids` in bytes; `None` when one is gone.
#[must_use]
pub fn resident_bytes(pids: &[u32]) -> Option<u64> {
    let mut sum = 0;
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        sum += line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024;
    }
    Some(sum)
}

/// CPU time of the calling thread.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What a core did between two looks at it, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CoreTimes {
    /// Everything but idling and stealing.
    pub busy: f64,
    /// Idle or waiting for a disk.
    pub idle: f64,
    /// Taken by the hypervisor.
    pub steal: f64,
}

/// The times of each core since the machine began.
#[must_use]
pub fn core_times() -> Vec<CoreTimes> {
    parse_core_times(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn parse_core_times(stat: &str) -> Vec<CoreTimes> {
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second();
    stat.lines()
        .filter(|line| {
            line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .filter_map(|line| {
            let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).flat_map(str::parse).collect();
            let [user, nice, system, idle, wait, irq, softirq, steal, ..] = ticks[..] else { return None };
            Some(CoreTimes {
                busy: seconds(user + nice + system + irq + softirq),
                idle: seconds(idle + wait),
                steal: seconds(steal),
            })
        })
        .collect()
}

/// `later` minus `earlier`, core by core.
#[must_use]
pub fn core_times_between(earlier: &[CoreTimes], later: &[CoreTimes]) -> Vec<CoreTimes> {
    earlier
        .iter()
        .zip(later)
        .map(|(from, to)| CoreTimes {
            busy: to.busy - from.busy,
            idle: to.idle - from.idle,
            steal: to.steal - from.steal,
        })
        .collect()
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Lets short sleeps of this thread end when they should: by default the kernel adds up to 50 µs.
pub fn sharpen_timer() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_parentheses_and_spaces_in_its_name() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 700 55 3 4 20 0 1 0 100 1000 10";
        assert_eq!(stat_ticks(stat), Some(755));
        assert_eq!(stat_ticks("42"), None);
    }

    #[test]
    fn cores_are_read_without_the_line_of_their_sum() {
        let stat = "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 100 0 100 300 100 0 100 50 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 5\n";
        let cores = parse_core_times(stat);
        let tick = 1.0 / ticks_per_second();
        assert_eq!(cores.len(), 2);
        assert!((cores[0].busy - 300.0 * tick).abs() < 1e-9);
        assert!((cores[0].idle - 400.0 * tick).abs() < 1e-9);
        assert!((cores[0].steal - 50.0 * tick).abs() < 1e-9);
        let later = core_times_between(&cores, &cores);
        assert_eq!(later[1], CoreTimes::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_used_time_and_memory() {
        let own = [std::process::id()];
        assert!(cpu_time(&own).is_some());
        assert!(resident_bytes(&own).is_some_and(|bytes| bytes > 100_000));
        assert!(cpu_time(&[u32::MAX]).is_none());
    }
}
