//! The part of `NativeBroker` that takes sockets over from Node: see `sockets`.

use napi::bindgen_prelude::{Function, Uint8ArraySlice};
use napi::{Env, JsValue};
use napi_derive::napi;

use crate::broker::NativeBroker;
use crate::error::Result;
use crate::options::whole;

/// A connection that began with CONNECT.
#[napi(object)]
pub struct NativeArrival {
    /// Its number.
    pub connection: u32,
    /// Where its peer is: address and port.
    pub remote_address: String,
}

/// A connection that began with something else. It is the caller's from now on.
#[napi(object)]
pub struct NativeStranger {
    /// What `listenSocket` returned.
    pub listener: u32,
    /// An open descriptor that nobody else will close.
    pub descriptor: i32,
    /// What has been read from it.
    pub head: napi::bindgen_prelude::Buffer,
}

/// Who has come to the listening sockets.
#[napi(object)]
pub struct NativeArrivals {
    /// Those who speak MQTT.
    pub connections: Vec<NativeArrival>,
    /// Those who do not.
    pub strangers: Vec<NativeStranger>,
    /// Peers that said nothing in time and were dropped.
    pub silent: Vec<String>,
    /// Why somebody could not be let in, where that happened.
    pub problem: Option<String>,
}

#[napi]
impl NativeBroker {
    /// Makes ready for `adoptSocket`, once. `on_turn` is called when a turn of the event loop has left something for
    /// JavaScript: what `status` then says. False where sockets cannot be driven here: on Windows, and in a process that
    /// does not show libuv's functions.
    #[napi]
    pub fn drive_sockets(&mut self, env: Env, on_turn: Function<'_, (), ()>) -> bool {
        #[cfg(unix)]
        {
            let shared = std::rc::Rc::as_ptr(&self.shared);
            // SAFETY: both are this call's, on its thread, and `shared` owns the driver.
            let driver = unsafe { crate::sockets::Driver::new(env.raw(), on_turn.raw(), shared) };
            let is_driven = driver.is_some();
            *self.shared.driver() = driver;
            is_driven
        }
        #[cfg(not(unix))]
        {
            let _ = (env, on_turn);
            false
        }
    }

    /// Opens a connection over a duplicate of this descriptor, and reads and writes it from now on; `head` has come
    /// before. With `maximum_message_bytes` it is a WebSocket whose handshake is done. The caller closes its own
    /// descriptor. Returns the number of the connection; -1, and nothing has changed, where that is not possible.
    #[napi]
    pub fn adopt_socket(
        &mut self,
        descriptor: i32,
        head: Uint8ArraySlice<'_>,
        maximum_message_bytes: Option<f64>,
        now_ms: f64,
    ) -> Result<i32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            use std::os::fd::BorrowedFd;

            use crate::sockets::{Driver, Framed};

            // SAFETY: `src/transports/native-socket.ts` has just taken the descriptor from a socket of Node's that is
            // open, and nothing of Node's runs before this call has returned.
            let borrowed = (descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) });
            let Some(stream) = borrowed.and_then(Driver::duplicate) else { return Ok(-1) };
            let state = &mut *self.shared.state();
            let connection = state.run(now_ms, |core, now_ms| {
                let connection = core.open(now_ms);
                core.take_directly(connection);
                connection
            })?;
            let framed = maximum_message_bytes.map(|bytes| Framed::new(whole(bytes)));
            if driver.adopt(connection.0, stream, framed) {
                driver.take_head(state, connection.0, &head);
                return Ok(i32::try_from(connection.0).unwrap_or(i32::MAX));
            }
            state.run(now_ms, |core, now_ms| core.close(connection, now_ms))?;
        }
        let _ = (descriptor, head, maximum_message_bytes, now_ms);
        Ok(-1)
    }

    /// Closes a WebSocket that is driven here, in order: with a close frame of this code and reason.
    #[napi]
    pub fn close_web_socket(&mut self, connection: u32, code: u32, reason: String) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            let code = u16::try_from(code).unwrap_or(1000);
            driver.close_web_socket(connection, code, &reason, self.shared.state().now());
        }
        let _ = (connection, code, reason);
    }

    /// The WebSockets that the core has ended since the last call, in pairs: the connection and the Reason Code.
    /// `closeWebSocket` is to be called for each.
    #[napi]
    pub fn closing_web_sockets(&mut self) -> Vec<u32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            return driver.take_closing();
        }
        Vec::new()
    }

    /// Takes what comes to a duplicate of this listening descriptor; the caller closes its own. `most_sockets` bounds
    /// those that are open, `most_newcomers` those among them that have not said anything, and `timeout_ms` how long they
    /// may do so. Returns a number for `stopListening`; -1, and nothing has changed, where that is not possible.
    #[napi]
    pub fn listen_socket(
        &mut self,
        descriptor: i32,
        timeout_ms: f64,
        most_newcomers: u32,
        most_sockets: u32,
    ) -> i32 {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            use std::os::fd::BorrowedFd;

            // SAFETY: `src/transports/native-socket.ts` has just taken the descriptor from a server of Node's that
            // listens, and nothing of Node's runs before this call has returned.
            let borrowed = (descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) });
            let Some(owned) = borrowed.and_then(|descriptor| descriptor.try_clone_to_owned().ok()) else {
                return -1;
            };
            let limits = crate::sockets::GateLimits {
                timeout_ms: whole(timeout_ms),
                newcomers: most_newcomers as usize,
                sockets: most_sockets as usize,
            };
            return driver.listen(owned.into(), limits).and_then(|id| i32::try_from(id).ok()).unwrap_or(-1);
        }
        let _ = (descriptor, timeout_ms, most_newcomers, most_sockets);
        -1
    }

    /// Closes a listening socket, and those who have come through it and said nothing.
    #[napi]
    pub fn stop_listening(&mut self, listener: u32) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            driver.stop_listening(listener);
        }
        let _ = listener;
    }

    /// Who has come to the listening sockets since the last call.
    #[napi]
    pub fn take_arrivals(&mut self) -> NativeArrivals {
        let mut arrivals = NativeArrivals {
            connections: Vec::new(),
            strangers: Vec::new(),
            silent: Vec::new(),
            problem: None,
        };
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            use std::os::fd::IntoRawFd;

            let taken = driver.take_arrivals();
            let arrival = |(connection, remote_address)| NativeArrival { connection, remote_address };
            arrivals.connections = taken.connections.into_iter().map(arrival).collect();
            let stranger = |it: crate::sockets::Stranger| NativeStranger {
                listener: it.listener,
                descriptor: it.stream.into_raw_fd(),
                head: it.head.into(),
            };
            arrivals.strangers = taken.strangers.into_iter().map(stranger).collect();
            arrivals.silent = taken.silent;
            arrivals.problem = taken.problem;
        }
        arrivals
    }

    /// Writes what the core has for sockets that are driven here.
    #[napi]
    pub fn flush_sockets(&mut self) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            driver.flush(&mut self.shared.state());
        }
    }

    /// Closes a socket that is driven here, at once. What has not been sent is lost.
    #[napi]
    pub fn destroy_socket(&mut self, connection: u32) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            driver.finish(connection);
        }
        let _ = connection;
    }

    /// The connections whose sockets have ended since the last call. `close` is to be called for each.
    #[napi]
    pub fn ended_sockets(&mut self) -> Vec<u32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            return driver.take_gone();
        }
        Vec::new()
    }

    /// Closes all sockets that are driven here. Nothing is called from the event loop after this.
    #[napi]
    pub fn let_sockets_go(&mut self) {
        #[cfg(unix)]
        self.shared.let_go();
    }
}
