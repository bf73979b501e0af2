//! The engine answers some damage in its file with a panic. Nothing of it passes here: it is damage for the caller, too.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use topicwire_broker::store::StoreError;

/// Does work with the engine. What the work has borrowed is of no use after an error.
pub(crate) fn fenced<T, E: From<StoreError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(damage(&*panic).into()))
}

/// Lets go of a part of the engine after an error.
pub(crate) fn dropped<T>(part: T) {
    // What it says now is about what is known already.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(part)));
}

/// Lets a caller's callback panic through the fence: it is not called again, and its panic goes on behind it.
#[derive(Default)]
pub(crate) struct Callback(Option<Box<dyn Any + Send>>);

impl Callback {
    /// Calls it, unless it has panicked before.
    pub(crate) fn call(&mut self, callback: impl FnOnce()) {
        if self.0.is_none() {
            self.0 = catch_unwind(AssertUnwindSafe(callback)).err();
        }
    }

    /// To be called behind the fence.
    pub(crate) fn pass_on(self) {
        if let Some(panic) = self.0 {
            resume_unwind(panic);
        }
    }
}

fn damage(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    StoreError::Damaged(format!("the engine stopped at {:?}", text.unwrap_or("a panic")))
}
