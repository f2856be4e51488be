//! Calls of the proxy, one at a time.

use std::cell::Cell;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use prost::Message;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Request, Status};
use tonic_prost::ProstCodec;

use crate::error::{Error, Result};

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a proxy that never answered yet is tried: an address that is wrong is said to be so soon.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// How long a proxy that answered before is waited for: it is started anew within that.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Whether a call may be made again when it is not known whether it was heard.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Repeat {
    Safe,
    Unsafe,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: Status,
    /// Whether a call before, of which it is unknown whether it was heard, was the same.
    pub(super) repeated: bool,
}

/// A connection with a runtime of its own: callers need none, and may be within another.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: String,
    pub(super) deadline: Duration,
    channel: Channel,
    runtime: Handle,
    answered: Cell<bool>,
    /// Dropped, it ends the runtime.
    _alive: oneshot::Sender<()>,
}

impl Client {
    /// Prepares a connection; the first call makes it.
    pub(super) fn new(address: &str) -> Result<Self> {
        let refuse = |found: String| {
            Error::storage(address, "the address must be one such as http://host:13000", found)
        };
        let uri: Uri = address.parse().map_err(|error| refuse(format!("{error}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(scheme) => return Err(refuse(format!("the scheme `{scheme}`"))),
            None => return Err(refuse("none before it".to_owned())),
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if uri.port_u16().is_none() && authority.contains(':') && !authority.ends_with(']') {
            return Err(refuse("a port that is no number up to 65535".to_owned()));
        }
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(refuse("a path after it".to_owned()));
        }
        let needs = |error: std::io::Error| {
            Error::storage(address, "a connection needs a thread of its own", error)
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(needs)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        // It runs between calls too: a connection that ends meanwhile, since the proxy was started anew or
        // had no answer to its pings, is noticed before the next call goes into it.
        std::thread::Builder::new()
            .name("storage proxy".to_owned())
            .spawn(move || {
                let _: std::result::Result<(), _> = runtime.block_on(ended);
            })
            .map_err(needs)?;
        let channel = {
            let _inside = handle.enter();
            Endpoint::from(uri).connect_timeout(DEADLINE).connect_lazy()
        };
        Ok(Self {
            address: address.to_owned(),
            deadline: DEADLINE,
            channel,
            runtime: handle,
            answered: Cell::new(false),
            _alive: alive,
        })
    }

    /// Calls a method; the status where it is refused.
    pub(super) fn call<Q, A>(
        &self,
        method: &'static str,
        request: &Q,
        repeat: Repeat,
    ) -> std::result::Result<A, Refusal>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let patience = if self.answered.get() { PATIENCE } else { FIRST_PATIENCE };
        let (begun, mut wait, mut repeated) = (Instant::now(), FIRST_WAIT, false);
        loop {
            let status = match self.once(method, request.clone()) {
                Ok(answer) => {
                    self.answered.set(true);
                    return Ok(answer);
                }
                Err(status) => status,
            };
            let unheard = caused_by::<ConnectError>(&status);
            let lost = status.code() == Code::Unavailable || is_broken(&status);
            if !(unheard || lost && repeat == Repeat::Safe) || begun.elapsed() + wait > patience {
                return Err(Refusal { status, repeated });
            }
            repeated |= !unheard;
            std::thread::sleep(wait);
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    fn once<Q, A>(&self, method: &'static str, request: Q) -> std::result::Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let (channel, deadline) = (self.channel.clone(), self.deadline);
        let (sender, answer) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let call = async {
                let mut client =
                    tonic::client::Grpc::new(channel).max_decoding_message_size(usize::MAX);
                client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
                let path = PathAndQuery::from_static(method);
                let codec: ProstCodec<Q, A> = ProstCodec::default();
                Ok(client.unary(Request::new(request), path, codec).await?.into_inner())
            };
            let result = tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| {
                Err(Status::deadline_exceeded(format!("no answer within {deadline:?}")))
            });
            // The caller waits, unless its thread is being torn down.
            let _ = sender.send(result);
        });
        answer.recv().unwrap_or_else(|_| Err(Status::internal("the connection's thread has ended")))
    }

    /// A refusal that the caller has no use for.
    pub(super) fn error(&self, method: &str, status: &Status) -> Error {
        let method = method.rsplit('/').next().unwrap_or(method);
        let text = match (status.message(), std::error::Error::source(status)) {
            ("", None) => String::new(),
            ("", Some(source)) => format!(": {}", chain(source)),
            (message, None) => format!(": {message}"),
            (message, Some(source)) => format!(": {message} ({})", chain(source)),
        };
        Error::storage(
            format!("{}: {method}", self.address),
            "the storage proxy must answer",
            format!("{:?}{text}", status.code()),
        )
    }
}

/// Whether the connection broke under the call, which tonic calls unknown.
fn is_broken(status: &Status) -> bool {
    status.code() == Code::Unknown && caused_by::<tonic::transport::Error>(status)
}

fn caused_by<E: std::error::Error + 'static>(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with its causes, in a line, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(&format!(": {more}"));
        }
        cause = error.source();
    }
    text
}
