//! Calls of the proxy, one at a time.

use std::time::Duration;

use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::error::{Error, Result};

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// A call that cannot do harm twice is tried this often while the proxy is not there.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Whether a call may be made again when it is not known whether it was heard.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Repeat {
    Safe,
    Unsafe,
}

/// A connection with a runtime of its own: callers need none.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: String,
    channel: Channel,
    runtime: Runtime,
}

impl Client {
    /// Prepares a connection; the first call makes it.
    pub(super) fn new(address: &str) -> Result<Self> {
        let refuse = |found: String| {
            Error::storage(address, "the address must be one such as http://host:13000", found)
        };
        let endpoint =
            Endpoint::from_shared(address.to_owned()).map_err(|e| refuse(e.to_string()))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::storage(address, "a connection needs a runtime", error.to_string())
        })?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_timeout(DEADLINE).connect_lazy()
        };
        Ok(Self { address: address.to_owned(), channel, runtime })
    }

    /// Calls a method; the status where it is refused.
    pub(super) fn call<Q, A>(
        &self,
        method: &'static str,
        request: &Q,
        repeat: Repeat,
    ) -> std::result::Result<A, Status>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            match self.runtime.block_on(self.once(method, request.clone())) {
                Err(status)
                    if status.code() == Code::Unavailable
                        && repeat == Repeat::Safe
                        && attempt < TRIES =>
                {
                    std::thread::sleep(wait);
                    wait *= 4;
                }
                answer => return answer,
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn once<Q, A>(&self, method: &'static str, request: Q) -> std::result::Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut client =
            tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        client.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
        let mut request = Request::new(request);
        request.set_timeout(DEADLINE);
        let path = PathAndQuery::from_static(method);
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        Ok(client.unary(request, path, codec).await?.into_inner())
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

/// An error with its causes, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
