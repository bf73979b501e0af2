//! Clients: the protocol of `topicwire_session::client`, for JavaScript.
//!
//! All clients of a thread live in one [`NativeClients`] and share its tables, so that a client costs what its session
//! costs and not a table. One call takes a chunk in and fills the table with records of what came (`record.rs`); one call
//! takes the commands of a whole turn, of as many clients as there are (`command.rs`); one call for each piece of output.
//! Clients whose Session is on disk have their store's thread in `store.rs`.
//! `src/client/engine.ts` is the other side.
//!
//! What comes often is a function and not a method: a method would have to find its object and check what it is, which
//! takes longer than a small packet.

mod command;
mod host;
mod options;
mod record;
mod store;

use std::cell::RefCell;
use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{
    Float64Array, Function, FunctionCallContext, ToNapiValue, Uint8Array, Uint8ArraySlice, Uint32Array,
};
use napi_derive::napi;
use topicwire_session::client::Ticket;

use crate::error::Result;
use crate::options::whole;
use host::{Host, Tables};
pub use options::NativeClientOptions;

/// The native half of all clients of a thread.
#[napi]
pub struct NativeClients {
    host: Rc<RefCell<Host>>,
}

#[napi]
impl NativeClients {
    /// No clients. Events go to `records` and their words to `record_text`; the numbers of commands to `results`, those that
    /// were refused to `refusals` and their words to `refusal_text`: they are apart, for whoever reads events may command.
    /// Nobody else writes to this memory, shares or transfers it.
    #[napi(constructor)]
    pub fn new(
        records: Uint32Array,
        record_text: Uint8Array,
        results: Float64Array,
        refusals: Uint32Array,
        refusal_text: Uint8Array,
    ) -> Self {
        let tables = Tables { records, record_text, results, refusals, refusal_text };
        Self { host: Rc::new(RefCell::new(Host::new(tables))) }
    }

    /// A Session of that name is at the server, as a program knows that has been started again.
    #[napi]
    pub fn restore_session(&self, client: u32, client_id: String) -> Result<bool> {
        self.with(|host| host.run(client, |core| core.restore_session(&client_id)))
    }

    /// A new client, by its number.
    #[napi]
    pub fn open(&self, options: NativeClientOptions) -> Result<u32> {
        self.with(|host| Ok(host.open(options.into_core())))
    }

    /// Forgets a client. Its number may be given to another one.
    #[napi]
    pub fn forget(&self, client: u32) -> Result<()> {
        self.with(|host| {
            // The store's thread ends here where nobody has waited for it.
            drop(host.forget(client));
            Ok(())
        })
    }

    /// From the next connection on, whether the application acknowledges messages itself.
    #[napi]
    pub fn acknowledge_manually(&self, client: u32, is_manual: bool) -> Result<bool> {
        self.with(|host| host.run(client, |core| core.acknowledge_manually(is_manual)))
    }

    /// The Client Identifier of the Session that is kept, if one is.
    #[napi]
    pub fn session_client_id(&self, client: u32) -> Result<Option<String>> {
        self.with(|host| host.run(client, |core| core.session_client_id().map(str::to_owned)))
    }

    /// Messages of QoS 1 and 2 that wait to be sent for the first time.
    #[napi]
    pub fn queued_count(&self, client: u32) -> Result<f64> {
        self.with(|host| host.run(client, |core| core.queued_count() as f64))
    }

    /// Messages, SUBSCRIBEs and UNSUBSCRIBEs that are under way.
    #[napi]
    pub fn inflight_count(&self, client: u32) -> Result<f64> {
        self.with(|host| host.run(client, |core| core.inflight_count() as f64))
    }

    /// Takes a message back that waits to be sent for the first time, by its ticket. False for one that has been sent.
    #[napi]
    pub fn withdraw(&self, client: u32, ticket: f64) -> Result<bool> {
        self.with(|host| host.run(client, |core| core.withdraw(Ticket(whole(ticket)))))
    }

    /// The Keep Alive in use, in seconds.
    #[napi]
    pub fn keep_alive_secs(&self, client: u32) -> Result<u32> {
        self.with(|host| host.run(client, |core| u32::from(core.keep_alive_secs())))
    }

    /// When `tick` wants to be called, in milliseconds; -1 where nothing waits for time.
    #[napi]
    pub fn next_timeout_ms(&self, client: u32) -> Result<f64> {
        self.with(|host| host.run(client, |core| core.poll_timeout().map_or(-1.0, |at_ms| at_ms as f64)))
    }

    /// Time has passed. Returns what is to do: see `record.rs`.
    #[napi]
    pub fn tick(&self, client: u32, now_ms: f64) -> Result<u32> {
        self.with(|host| {
            host.run(client, |core| core.handle_timeout(whole(now_ms)))?;
            host.status(client)
        })
    }

    /// The transport is gone. Returns what is to do.
    #[napi]
    pub fn closed(&self, client: u32, now_ms: f64) -> Result<u32> {
        self.with(|host| {
            host.run(client, |core| core.handle_closed(whole(now_ms)))?;
            host.status(client)
        })
    }

    /// Copies the beginning of the carried bytes, which records may point into.
    #[napi]
    pub fn carried(&self, client: u32, mut target: Uint8ArraySlice<'_>) -> Result<()> {
        // SAFETY: `src/client/engine.ts` lends memory that it has just made, for the length of this call.
        let target = unsafe { target.as_mut() };
        self.with(|host| {
            host.run(client, |core| {
                let carried = core.carried();
                let length = carried.len().min(target.len());
                if let (Some(to), Some(from)) = (target.get_mut(..length), carried.get(..length)) {
                    to.copy_from_slice(from);
                }
            })
        })
    }

    /// Takes a chunk in and fills the table. Returns how many records there are, and what is to do.
    #[napi(ts_return_type = "(client: number, chunk: Uint8Array, length: number, nowMs: number) => number")]
    pub fn receive_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), u32>> {
        self.function(env, "receive", |host, context| {
            let (client, chunk) = (context.get::<u32>(0)?, context.get::<Uint8ArraySlice<'_>>(1)?);
            let (length, now_ms) = (context.get::<u32>(2)?, context.get::<f64>(3)?);
            let chunk = chunk.get(..length as usize).unwrap_or(&chunk);
            let received = host.run(client, |core| core.handle_input(chunk, whole(now_ms)));
            or_throw(context, received.and_then(|()| host.collect(client, chunk)))
        })
    }

    /// Fills the table with what it had no room for. `chunk` is that of the last `receive`.
    #[napi(ts_return_type = "(client: number, chunk: Uint8Array, length: number) => number")]
    pub fn collect_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), u32>> {
        self.function(env, "collect", |host, context| {
            let (client, chunk) = (context.get::<u32>(0)?, context.get::<Uint8ArraySlice<'_>>(1)?);
            let length = context.get::<u32>(2)?;
            let chunk = chunk.get(..length as usize).unwrap_or(&chunk);
            let collected = host.collect(client, chunk);
            or_throw(context, collected)
        })
    }

    /// Carries out the commands between two places of a buffer. Returns how many were refused; the table says which.
    #[napi(
        ts_return_type = "(commands: Uint8Array, start: number, end: number, payload: Uint8Array, nowMs: number) => number"
    )]
    pub fn run_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), u32>> {
        self.function(env, "run", |host, context| {
            let commands = context.get::<Uint8ArraySlice<'_>>(0)?;
            let (start, end) = (context.get::<u32>(1)?, context.get::<u32>(2)?);
            let (payload, now_ms) = (context.get::<Uint8ArraySlice<'_>>(3)?, context.get::<f64>(4)?);
            let commands = commands.get(..end as usize).unwrap_or_default();
            let refused = host.run_commands(commands, start as usize, &payload, whole(now_ms));
            or_throw(context, refused)
        })
    }

    /// Moves output to the start of `arena`. Returns how many bytes, and what is to do.
    #[napi(ts_return_type = "(client: number, arena: Uint8Array, nowMs: number) => number")]
    pub fn drain_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), u32>> {
        self.function(env, "drain", |host, context| {
            let (client, mut arena) = (context.get::<u32>(0)?, context.get::<Uint8ArraySlice<'_>>(1)?);
            let now_ms = context.get::<f64>(2)?;
            // SAFETY: `src/client/engine.ts` lends memory that nobody reads before this call returns.
            let drained = host.drain(client, unsafe { arena.as_mut() }, whole(now_ms));
            or_throw(context, drained)
        })
    }

    /// A JavaScript function that works on these clients.
    fn function<'e, R: ToNapiValue>(
        &self,
        env: &'e Env,
        name: &str,
        work: impl Fn(&mut Host, &FunctionCallContext<'_>) -> napi::Result<R> + 'static,
    ) -> napi::Result<Function<'e, (), R>> {
        let host = Rc::clone(&self.host);
        env.create_function_from_closure(name, move |context| {
            let mut host =
                host.try_borrow_mut().map_err(|_| napi::Error::from_reason("the clients are in use"))?;
            work(&mut host, &context)
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Host) -> Result<R>) -> Result<R> {
        work(&mut self.host.borrow_mut())
    }
}

/// Functions of closures know no `code` of ours, so it is thrown here. What is returned then nobody sees.
fn or_throw<R: Default>(context: &FunctionCallContext<'_>, result: Result<R>) -> napi::Result<R> {
    result.or_else(|problem| {
        context.env.throw_error(&problem.reason, Some(problem.status.as_ref()))?;
        Ok(R::default())
    })
}
