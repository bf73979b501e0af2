//! The subscription index by itself, for services that embed a topic router without a broker.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use napi::bindgen_prelude::{Function, FunctionCallContext, ToNapiValue, Uint32Array};
use napi::{Env, JsString, JsValue, sys};
use napi_derive::napi;
use topicwire_topics::{TopicFilter, TopicName, TopicRouter};

use crate::error::{Code, Result, error, from_filter, from_name};

/// Topics of up to so many bytes, less four, are read in one call.
const TEXT_BYTES: usize = 1024;
/// The longest character of UTF-8.
const CHARACTER_BYTES: usize = 4;

/// The native half of `TopicRouter`; `src/topic-router.ts` is what users see.
///
/// What a match costs here is for the most part what passes between JavaScript and this. So results go to an array that
/// is handed over once, and texts are read into a buffer that is kept. And the calls that come often are functions that
/// know their router: a method would have to find it by its `this` and check that it is one, which takes several times
/// as long as the match.
#[napi]
pub struct NativeTopicRouter {
    state: Rc<RefCell<State>>,
}

struct State {
    router: TopicRouter,
    ids: Vec<u32>,
    text: Vec<u8>,
    results: Uint32Array,
}

#[napi]
impl NativeTopicRouter {
    /// An empty router. `seed` keys its hash tables. `results` is where matches are written to; nobody else writes to it,
    /// shares or transfers its memory.
    #[napi(constructor)]
    pub fn new(seed: f64, results: Uint32Array) -> Self {
        let router = TopicRouter::with_seed(seed.to_bits());
        let state = State { router, ids: Vec::new(), text: vec![0; TEXT_BYTES], results };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Another array for results, under the same conditions.
    #[napi]
    pub fn use_results(&self, results: Uint32Array) -> Result<()> {
        borrow(&self.state)?.results = results;
        Ok(())
    }

    /// Pairs of filter and id.
    #[napi(getter)]
    pub fn size(&self) -> Result<u32> {
        Ok(u32::try_from(borrow(&self.state)?.router.len()).unwrap_or(u32::MAX))
    }

    /// Memory of the index in bytes.
    #[napi(getter)]
    pub fn heap_bytes(&self) -> Result<f64> {
        Ok(borrow(&self.state)?.router.heap_bytes() as f64)
    }

    /// Adds an id to a filter: true where it was not there yet.
    #[napi(ts_return_type = "(topicFilter: string, id: number) => boolean")]
    pub fn add_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), bool>> {
        self.function(env, "add", |state, context| {
            let (text, id) = (context.get(0)?, context.get(1)?);
            let State { router, text: buffer, .. } = state;
            let added = read(*context.env, text, buffer)
                .and_then(|text| router.add(text, id).map_err(|problem| from_filter(&problem)));
            or_throw(context, added)
        })
    }

    /// Takes an id from a filter: true where it was there.
    #[napi(ts_return_type = "(topicFilter: string, id: number) => boolean")]
    pub fn remove_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), bool>> {
        self.function(env, "remove", |state, context| {
            let (text, id) = (context.get(0)?, context.get(1)?);
            let State { router, text: buffer, .. } = state;
            let removed = read(*context.env, text, buffer)
                .and_then(|text| router.remove(text, id).map_err(|problem| from_filter(&problem)));
            or_throw(context, removed)
        })
    }

    /// Writes the ids whose filters match into the results and returns how many there are; where that is more than they
    /// hold nothing has been lost, and the call is made again with a larger array.
    #[napi(ts_return_type = "(topicName: string) => number")]
    pub fn match_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), u32>> {
        self.function(env, "match", |state, context| {
            let count = state.match_one(*context.env, context.get(0)?);
            or_throw(context, count)
        })
    }

    /// The same for `count` topics, joined by U+0000, which no topic contains. For each topic in turn the results get the
    /// number of its ids, then the ids.
    #[napi(ts_return_type = "(topicNames: string, count: number) => number")]
    pub fn match_many_function<'e>(&self, env: &'e Env) -> napi::Result<Function<'e, (), u32>> {
        self.function(env, "matchMany", |state, context| {
            let length = state.match_many(*context.env, context.get(0)?, context.get(1)?);
            or_throw(context, length)
        })
    }

    /// A JavaScript function that works on this router. A panic in it is caught by napi and thrown.
    fn function<'e, R: ToNapiValue>(
        &self,
        env: &'e Env,
        name: &str,
        work: impl Fn(&mut State, &FunctionCallContext<'_>) -> napi::Result<R> + 'static,
    ) -> napi::Result<Function<'e, (), R>> {
        let state = Rc::clone(&self.state);
        env.create_function_from_closure(name, move |context| {
            let mut state = state.try_borrow_mut().map_err(|_| napi::Error::from_reason(IN_USE))?;
            work(&mut state, &context)
        })
    }
}

const IN_USE: &str = "the router is in use";

impl State {
    fn match_one(&mut self, env: Env, topic_name: JsString<'_>) -> Result<u32> {
        let Self { router, ids, text, results } = self;
        ids.clear();
        let topic_name = read(env, topic_name, text)?;
        router.match_into(topic_name, ids).map_err(|problem| from_name(&problem))?;
        Ok(copy_out(ids, results))
    }

    fn match_many(&mut self, env: Env, topic_names: JsString<'_>, count: u32) -> Result<u32> {
        let Self { router, ids, text, results } = self;
        ids.clear();
        let topic_names = read(env, topic_names, text)?;
        let mut read_count = 0;
        let mut from = 0;
        let ends = memchr::memchr_iter(0, topic_names.as_bytes()).chain([topic_names.len()]);
        for end in ends {
            let topic_name = topic_names.get(from..end).unwrap_or_default();
            from = end + 1;
            let count_at = ids.len();
            ids.push(0);
            router.match_into(topic_name, ids).map_err(|problem| {
                error(Code::InvalidTopicName, format_args!("topic {read_count} is not valid: {problem}"))
            })?;
            let count = ids.len() - count_at - 1;
            if let Some(place) = ids.get_mut(count_at) {
                *place = u32::try_from(count).unwrap_or(u32::MAX);
            }
            read_count += 1;
        }
        if read_count != count {
            return Err(error(Code::InvalidTopicName, "a topic does not contain U+0000"));
        }
        Ok(copy_out(ids, results))
    }
}

fn borrow(state: &RefCell<State>) -> Result<RefMut<'_, State>> {
    state.try_borrow_mut().map_err(|_| error(Code::Panic, IN_USE))
}

/// Functions of closures know no `code` of ours, so it is thrown here. What is returned then nobody sees.
fn or_throw<R: Default>(context: &FunctionCallContext<'_>, result: Result<R>) -> napi::Result<R> {
    result.or_else(|problem| {
        context.env.throw_error(&problem.reason, Some(problem.status.as_ref()))?;
        Ok(R::default())
    })
}

/// True where the filter matches the topic name (section 4.7).
#[napi]
pub fn topic_matches(topic_filter: String, topic_name: String) -> Result<bool> {
    let filter = TopicFilter::new(&topic_filter).map_err(|problem| from_filter(&problem))?;
    let name = TopicName::new(&topic_name).map_err(|problem| from_name(&problem))?;
    Ok(filter.matches(name))
}

/// True where some topic name matches both filters.
#[napi]
pub fn topic_filters_overlap(one: String, other: String) -> Result<bool> {
    let one = TopicFilter::new(&one).map_err(|problem| from_filter(&problem))?;
    let other = TopicFilter::new(&other).map_err(|problem| from_filter(&problem))?;
    Ok(one.overlaps(&other))
}

/// Reads a string into a buffer that is kept between calls. napi's own conversion asks for the length first and allocates,
/// which costs as much as the match.
fn read<'b>(env: Env, string: JsString<'_>, buffer: &'b mut Vec<u8>) -> Result<&'b str> {
    let mut length = read_part(env, string, Some(buffer))?;
    // What does not fit is cut off at a character.
    if length + CHARACTER_BYTES >= buffer.len() {
        let needed = read_part(env, string, None)? + CHARACTER_BYTES + 1;
        if needed > buffer.len() {
            buffer.resize(needed, 0);
        }
        length = read_part(env, string, Some(buffer))?;
    }
    let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default()).ok();
    text.ok_or_else(|| error(Code::InvalidOption, "a topic is not valid UTF-8"))
}

/// Writes what fits and returns how much that is, or without a buffer how much there is; in bytes of UTF-8.
fn read_part(env: Env, string: JsString<'_>, buffer: Option<&mut Vec<u8>>) -> Result<usize> {
    let (at, size) = buffer.map_or((std::ptr::null_mut(), 0), |buffer| (buffer.as_mut_ptr(), buffer.len()));
    let mut length = 0;
    // SAFETY: the environment and the value are those of the call that napi is making, on its thread. `at` is null or leads
    // to `size` bytes that are initialised and that nobody else uses while the call lasts; napi writes no more than that.
    let status =
        unsafe { sys::napi_get_value_string_utf8(env.raw(), string.raw(), at.cast(), size, &raw mut length) };
    if status == sys::Status::napi_ok {
        Ok(length)
    } else {
        Err(error(Code::InvalidOption, "a topic must be a string"))
    }
}

fn copy_out(ids: &[u32], results: &mut Uint32Array) -> u32 {
    // SAFETY: the array is JavaScript's and kept alive by `results`. It is written to by no one else, on no other thread,
    // and its memory is not detached: `src/topic-router.ts` makes it and keeps it to itself.
    let results = unsafe { results.as_mut() };
    if let Some(place) = results.get_mut(..ids.len()) {
        place.copy_from_slice(ids);
    }
    u32::try_from(ids.len()).unwrap_or(u32::MAX)
}
