//! The command: `run`, `idle`, `connects`, `retained`, `churn`, `relay` and `self`.
#![forbid(unsafe_code)]

use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, BufRead, Write},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::atomic::AtomicBool,
};
use topicwire_loadgen::{
    Failure, churn, connects, idle,
    relay::{Faithful, Relay},
    retained, run,
    scenario::{ChurnScenario, ConnectsScenario, IdleScenario, RetainedScenario, Scenario},
    selftest,
};

const USAGE: &str = "\
usage: loadgen run '<scenario as JSON>'    drive a load, print a report as one line of JSON
       loadgen idle '<scenario as JSON>'   hold idle connections; wants a line on stdin after each step
       loadgen connects '<scenario>'       let clients connect and leave at once
       loadgen retained '<scenario>'       store retained messages and ask for them
       loadgen churn '<scenario>'          a load under which clients come and go; prints samples meanwhile
       loadgen relay <port>                be the null broker
       loadgen self [payload bytes]        print what a message costs the generator";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["run", json] => {
            parse::<Scenario>(json).and_then(|scenario| run::run(&scenario)).and_then(|report| say(&report))
        }
        ["idle", json] => parse::<IdleScenario>(json)
            .and_then(|scenario| idle::run(&scenario, stop_over))
            .and_then(|report| say(&report)),
        ["connects", json] => parse::<ConnectsScenario>(json)
            .and_then(|scenario| connects::run(&scenario))
            .and_then(|report| say(&report)),
        ["retained", json] => parse::<RetainedScenario>(json)
            .and_then(|scenario| retained::run(&scenario))
            .and_then(|report| say(&report)),
        ["churn", json] => parse::<ChurnScenario>(json)
            .and_then(|scenario| churn::run(&scenario, tell_sample))
            .and_then(|report| say(&report)),
        ["relay", port] => relay(port),
        ["self"] => selftest::costs(64).and_then(|costs| say(&costs)),
        ["self", bytes] => match bytes.parse() {
            Ok(bytes) => selftest::costs(bytes).and_then(|costs| say(&costs)),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // When stdout is gone too, the exit code has to do.
            let _ = say(&serde_json::json!({ "clean": false, "error": failure.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let _ = writeln!(io::stderr(), "{USAGE}");
    ExitCode::from(2)
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| Failure::Scenario(error.to_string()))
}

fn say(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

fn stop_over(connections: u32) -> Result<(), Failure> {
    say(&serde_json::json!({ "event": "step", "connections": connections }))?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn tell_sample(sample: &churn::Sample) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Event<'a> {
        event: &'static str,
        #[serde(flatten)]
        sample: &'a churn::Sample,
    }
    say(&Event { event: "sample", sample })
}

fn relay(port: &str) -> Result<(), Failure> {
    let port = port.parse().map_err(|_| Failure::Scenario(format!("{port} is no port")))?;
    let relay = Relay::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Faithful)?;
    Ok(relay.serve(&AtomicBool::new(false))?)
}
