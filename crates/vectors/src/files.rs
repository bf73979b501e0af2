//! The files below `__test__/vectors`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::version::Version;

/// One packet, as the codec is to read it: `packets/<kind>.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketVector {
    /// A sentence, unique in its file.
    pub name: String,
    /// Each is a test of its own.
    pub versions: Vec<Version>,
    /// Who may send it.
    pub from: Peer,
    /// The packet.
    pub bytes: String,
    /// Present where there is nothing wrong with it.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// What is wrong with it otherwise.
    #[serde(default)]
    pub reason_code: Option<u8>,
    /// False where we would write the same packet in another form.
    #[serde(default = "yes")]
    pub canonical: bool,
    /// For a CONNECT that is not valid: what a broker answers before it closes.
    #[serde(default)]
    pub answer: Option<String>,
    /// The statements that it serves.
    pub statements: Vec<String>,
}

/// The end that sends a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// A client.
    Client,
    /// A server.
    Server,
}

/// What there is to say of a packet that has no Reason Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong with it.
    Valid,
}

/// A conversation: `exchanges/<subject>.toml` with a broker, `client/<subject>.toml` with a client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// A sentence, unique in its file.
    pub name: String,
    /// Each is a test of its own.
    pub versions: Vec<Version>,
    /// The statements that it serves.
    pub statements: Vec<String>,
    /// Options of the end under test that are plain data, under the names that `Broker.start` has for them.
    #[serde(default)]
    pub options: toml::Table,
    /// Why it runs under virtual time only; none where it runs on a wire too.
    #[serde(default)]
    pub wire: Option<String>,
    /// What happens: [`crate::steps::parse`].
    pub steps: String,
}

/// A vector and the file it is in, such as `packets/subscribe.toml`.
#[derive(Clone, Debug)]
pub struct InFile<T> {
    /// Below `__test__/vectors`.
    pub file: String,
    /// The vector.
    pub vector: T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PacketFile {
    packet: Vec<PacketVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeFile {
    exchange: Vec<Exchange>,
}

/// All of `packets/`, by file name.
///
/// # Errors
/// A sentence about the first file that is not what it should be.
pub fn packets() -> Result<Vec<InFile<PacketVector>>, String> {
    let packets = read_folder("packets", |file: PacketFile| file.packet, |vector| &vector.name)?;
    match packets.iter().find(|it| it.vector.verdict.is_some() == it.vector.reason_code.is_some()) {
        Some(it) => Err(format!("{}: {}: either a verdict or a reason_code", it.file, it.vector.name)),
        None => Ok(packets),
    }
}

/// All of `exchanges/` or `client/`, by file name.
///
/// # Errors
/// A sentence about the first file that is not what it should be.
pub fn exchanges(folder: &str) -> Result<Vec<InFile<Exchange>>, String> {
    read_folder(folder, |file: ExchangeFile| file.exchange, |vector| &vector.name)
}

fn read_folder<F: DeserializeOwned, T>(
    folder: &str,
    vectors: impl Fn(F) -> Vec<T>,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<InFile<T>>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/vectors");
    let mut all = Vec::new();
    for path in toml_files(&root.join(folder))? {
        let file = format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        let found = vectors(toml::from_str(&text).map_err(|error| format!("{file}: {error}"))?);
        let mut names = HashSet::new();
        if let Some(twice) = found.iter().find(|vector| !names.insert(name(vector))) {
            return Err(format!("{file}: two are named {:?}", name(twice)));
        }
        all.extend(found.into_iter().map(|vector| InFile { file: file.clone(), vector }));
    }
    Ok(all)
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    Ok(paths)
}

fn yes() -> bool {
    true
}
