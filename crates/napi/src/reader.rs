//! Whether anybody still reads what the command writes to a pipe. Node hears of it with the next write only, and a
//! `topicwire sub | head -1` would wait for a message that nobody wants.

use std::thread;

use napi::Status;
use napi::bindgen_prelude::{Function, Unknown};
use napi_derive::napi;

/// A thread that waits needs no more.
const STACK_BYTES: usize = 64 << 10;

/// Calls back once, when the other end of a pipe or socket is closed. It does not keep the process alive. False, and
/// nothing done, where there is no way to know.
#[napi]
pub fn when_reader_gone(descriptor: i32, callback: Function<'_, (), Unknown<'static>>) -> napi::Result<bool> {
    if cfg!(not(unix)) {
        return Ok(false);
    }
    let callback = callback.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()?;
    let waiting = thread::Builder::new().name("topicwire-reader".to_owned()).stack_size(STACK_BYTES);
    let spawned = waiting.spawn(move || {
        if wait(descriptor) {
            // A process that is ending has nobody to tell.
            let _: Status =
                callback.call((), napi::threadsafe_function::ThreadsafeFunctionCallMode::NonBlocking);
        }
    });
    Ok(spawned.is_ok())
}

/// Blocks until the other end is closed; false where that cannot be waited for.
#[cfg(unix)]
fn wait(descriptor: i32) -> bool {
    use std::io;

    loop {
        // Errors and the end of the other side are told without being asked for.
        let mut watched = libc::pollfd { fd: descriptor, events: 0, revents: 0 };
        // SAFETY: one entry, which outlives the call.
        let count = unsafe { libc::poll(&raw mut watched, 1, -1) };
        if count == 1 {
            return watched.revents & libc::POLLNVAL == 0;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return false;
        }
    }
}

#[cfg(not(unix))]
fn wait(_descriptor: i32) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::pipe;
    use std::os::fd::AsRawFd;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pipe_is_waited_for_until_its_reader_is_gone() {
        let (reader, writer) = pipe().unwrap();
        let waiting = thread::spawn(move || (wait(writer.as_raw_fd()), writer));
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(reader);
        assert!(waiting.join().unwrap().0);
    }

    #[test]
    fn what_is_not_open_is_not_waited_for() {
        assert!(!wait(i32::MAX));
    }
}
