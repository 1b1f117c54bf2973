//! The connections to the API server: kube's layers, around connections that cost little memory.

use std::{sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{
        Builder,
        connect::{Connection, HttpConnector},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, ConfigExt},
    config::InferConfigError,
};
use thiserror::Error;
use tower::{BoxError, ServiceBuilder, ServiceExt, timeout::TimeoutLayer};

use super::settings;
use crate::telemetry::{self, CountRequests, Telemetry, trace::ApiServerSpans};

/// For the connection itself: the API server is near.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection to the API server that says nothing for so long is given up (`M1`): longer than a watch can be
/// silent, and what bounds a list or the start of a watch that never gets an answer.
const SILENCE: Duration = Duration::from_mins(1);

/// Connections that wait for the next call, at most: each costs some 45 kB.
const IDLE_CONNECTIONS: usize = 4;
/// And how long they wait.
const IDLE: Duration = Duration::from_secs(20);

/// A connection keeps the buffer that its largest answer has grown, at most this: a list would make it 400 kB.
const READ_BUFFER: usize = 64 * 1024;

/// A connection that many share is asked for a sign of life so often, and has so long to give it.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Bytes that may be under way for one request of many: a watch is read as it comes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// And for all requests of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// No connection to an API server could be prepared.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing names a cluster.
    #[error("find a cluster: neither a kubeconfig nor an in-cluster environment")]
    Infer(#[source] InferConfigError),
    /// What names it cannot be used.
    #[error("prepare the connection to the API server")]
    Prepare(#[source] Box<kube::Error>),
}

/// The API server, and how it is reached.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
    multiplexed: Option<Arc<Multiplexed>>,
}

impl From<Client> for ApiServer {
    /// Every request by this client.
    fn from(client: Client) -> Self {
        Self { client, multiplexed: None }
    }
}

impl ApiServer {
    /// The one that the environment names. Requests are counted and traced.
    pub async fn infer(telemetry: &Telemetry) -> Result<Self, ConnectError> {
        let mut config = Config::infer().await.map_err(ConnectError::Infer)?;
        // kube re-sends writes by itself unless told not to; we read back instead (`M2`).
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(SILENCE);
        config.reset_reader_on_write = true;
        let layers = Layers {
            count: CountRequests::new(Arc::clone(&telemetry.metrics), &config.cluster_url),
            spans: ApiServerSpans::new(&config.cluster_url),
        };
        Self::new(config, layers).map_err(|error| ConnectError::Prepare(Box::new(error)))
    }

    fn new(config: Config, layers: Layers) -> Result<Self, kube::Error> {
        if asks_for_more(&config) {
            let kubes = ClientBuilder::try_from(config)?.with_layer(&layers.count).with_layer(&layers.spans);
            return Ok(Self::from(kubes.build()));
        }
        let mut http = Builder::new(TokioExecutor::new());
        http.pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(READ_BUFFER);
        let client = client(&config, &layers, &http, config.rustls_https_connector()?)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?);
        let connector = connector.https_or_http().enable_all_versions().build();
        Ok(Self { client, multiplexed: Some(Arc::new(Multiplexed { config, layers, connector })) })
    }

    /// For calls, a connection for each that is under way.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A client whose requests share a connection of their own, where the server lets them, and how many may.
    pub(crate) async fn multiplexed(&self) -> Option<(Client, usize)> {
        let multiplexed = self.multiplexed.as_ref()?;
        match multiplexed.client().await {
            Ok(client) => client,
            Err(error) => {
                tracing::debug!(error = telemetry::chain(&*error), "no connection that requests can share");
                None
            }
        }
    }
}

/// What a person's kubeconfig may ask for, kube knows: proxies, other names, programs that log in and are run for
/// each client. A pod's own configuration has none of it.
fn asks_for_more(config: &Config) -> bool {
    let Config { proxy_url, tls_server_name, auth_info, .. } = config;
    proxy_url.is_some() || tls_server_name.is_some() || auth_info.exec.is_some() || auth_info.auth_provider.is_some()
}

/// What clients with a shared connection are made of.
struct Multiplexed {
    config: Config,
    layers: Layers,
    connector: HttpsConnector<HttpConnector>,
}

impl Multiplexed {
    /// None if the server speaks HTTP/1 only, as one before the API server may.
    async fn client(&self) -> Result<Option<(Client, usize)>, BoxError> {
        let Some(most) = tokio::time::timeout(CONNECT, self.most_streams()).await?? else { return Ok(None) };
        let mut http = Builder::new(TokioExecutor::new());
        // Known beforehand, so that requests that begin together do not open a connection each to find out.
        http.http2_only(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_ANSWERED_WITHIN)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW);
        Ok(Some((client(&self.config, &self.layers, &http, self.connector.clone())?, most)))
    }

    async fn most_streams(&self) -> Result<Option<usize>, BoxError> {
        let greeted = self.connector.clone().oneshot(self.config.cluster_url.clone()).await?;
        if !greeted.connected().is_negotiated_h2() {
            return Ok(None);
        }
        Ok(Some(settings::most_streams(TokioIo::new(greeted)).await?))
    }
}

/// What sees every request.
struct Layers {
    count: CountRequests,
    spans: ApiServerSpans,
}

fn client(
    config: &Config,
    layers: &Layers,
    http: &Builder,
    connector: HttpsConnector<HttpConnector>,
) -> Result<Client, kube::Error> {
    let mut connector = TimeoutConnector::new(connector);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let service = ServiceBuilder::new()
        .layer(&layers.spans)
        .layer(&layers.count)
        // A connection may live while one of its requests gets no answer.
        .layer(TimeoutLayer::new(SILENCE))
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http.build::<_, Body>(connector));
    Ok(Client::new(service, config.default_namespace.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    fn api_server(adjust: impl FnOnce(&mut Config)) -> ApiServer {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
        adjust(&mut config);
        let layers = Layers {
            count: CountRequests::new(Arc::new(Metrics::default()), &config.cluster_url),
            spans: ApiServerSpans::new(&config.cluster_url),
        };
        ApiServer::new(config, layers).unwrap()
    }

    #[tokio::test]
    async fn connections_are_our_own_unless_a_kubeconfig_asks_for_what_only_kube_knows() {
        assert!(api_server(|_| {}).multiplexed.is_some());
        let proxy = "http://127.0.0.1:2".parse().unwrap();
        assert!(api_server(|config| config.proxy_url = Some(proxy)).multiplexed.is_none());
        assert!(api_server(|config| config.tls_server_name = Some("other".to_owned())).multiplexed.is_none());
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_asked_shares_no_connection() {
        assert!(api_server(|_| {}).multiplexed().await.is_none(), "nobody listens there");
    }
}
