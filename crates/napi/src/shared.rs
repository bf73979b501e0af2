//! What a broker's two callers share: JavaScript, and the event loop where sockets are driven here.
//!
//! Both call on one thread, and neither while the other is at work: no borrow lasts while JavaScript is called.

use std::cell::{RefCell, RefMut};

use crate::state::State;

#[cfg(unix)]
use crate::sockets::Driver;

/// See the module.
pub(crate) struct Shared {
    state: RefCell<State>,
    /// None until the first socket, and where sockets cannot be driven.
    #[cfg(unix)]
    driver: RefCell<Option<Driver>>,
}

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self {
            state: RefCell::new(state),
            #[cfg(unix)]
            driver: RefCell::new(None),
        }
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

#[cfg(unix)]
mod driven {
    use std::ffi::c_int;
    use std::rc::Rc;

    use super::{Driver, RefMut, Shared};

    impl Shared {
        /// A reference of one's own.
        ///
        /// # Safety
        /// `pointer` came from `Rc::as_ptr` of one that is alive.
        pub(crate) unsafe fn from_pointer(pointer: *const Self) -> Rc<Self> {
            // SAFETY: as above.
            unsafe {
                Rc::increment_strong_count(pointer);
                Rc::from_raw(pointer)
            }
        }

        pub(crate) fn driver(&self) -> RefMut<'_, Option<Driver>> {
            self.driver.borrow_mut()
        }

        /// The event loop has something for a socket.
        pub(crate) fn socket_is_ready(&self, connection: u32, events: c_int) {
            if let Some(driver) = &mut *self.driver() {
                driver.is_ready(&mut self.state(), connection, events);
            }
        }

        /// All sockets that were ready in this turn of the loop have been looked at.
        pub(crate) fn turn_ends(&self) {
            let caller = self.driver().as_mut().and_then(|driver| driver.turn_ends(&mut self.state()));
            if let Some(caller) = caller {
                caller.call();
            }
        }

        /// Closes all sockets and handles without a word.
        pub(crate) fn let_go(&self) {
            let driver = self.driver().take();
            drop(driver);
        }

        /// Whether sockets have gone that JavaScript has not heard of.
        pub(crate) fn has_gone_sockets(&self) -> bool {
            self.driver().as_ref().is_some_and(Driver::has_gone)
        }

        /// A hook decides about a connection's next packet, or does not any more.
        pub(crate) fn set_held(&self, connection: u32, is_held: bool) {
            if let Some(driver) = &mut *self.driver() {
                driver.set_held(connection, is_held);
            }
        }

        /// The core's deadline or that of a socket, whichever is earlier. JavaScript will see that it is kept.
        pub(crate) fn arm(&self, of_core: Option<u64>) -> Option<u64> {
            match &mut *self.driver() {
                Some(driver) => driver.arm(of_core),
                None => of_core,
            }
        }

        /// Time has passed.
        pub(crate) fn tick_sockets(&self, now_ms: u64) {
            if let Some(driver) = &mut *self.driver() {
                driver.tick(now_ms);
            }
        }
    }
}

/// Where sockets are not driven here.
#[cfg(not(unix))]
#[allow(clippy::unused_self, reason = "the same calls everywhere")]
mod not_driven {
    use super::Shared;

    impl Shared {
        pub(crate) fn has_gone_sockets(&self) -> bool {
            false
        }

        pub(crate) fn set_held(&self, _connection: u32, _is_held: bool) {}

        pub(crate) fn arm(&self, of_core: Option<u64>) -> Option<u64> {
            of_core
        }

        pub(crate) fn tick_sockets(&self, _now_ms: u64) {}
    }
}
