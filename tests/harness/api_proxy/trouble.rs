//! What was asked, and what becomes of it.

use std::time::Duration;

use hyper::{Request, Version};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Whether it asks for a watch.
    pub is_watch: bool,
    /// Whether it asks for a further page of a list.
    pub is_further_page: bool,
    /// Whether it came by HTTP/2.
    pub is_http2: bool,
    /// The number of the connection that it came by.
    pub connection: usize,
}

impl Asked {
    pub(super) fn of<B>(request: &Request<B>, connection: usize) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method().as_str().to_owned(),
            path: request.uri().path().to_owned(),
            is_watch: query.split('&').any(|part| part.starts_with("watch=")),
            is_further_page: query.split('&').any(|part| part.starts_with("continue=")),
            is_http2: request.version() == Version::HTTP_2,
            connection,
        }
    }

    /// Whether it has this method and a path that ends like this.
    #[must_use]
    pub fn is(&self, method: &str, end: &str) -> bool {
        self.method == method && self.path.ends_with(end)
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// It is swallowed; no answer ever comes, and the connection stays open.
    Silence,
    /// It is passed on so much later.
    Late(Duration),
    /// The connection closes; the API server sees nothing.
    Reset,
    /// The API server does what is asked, and the connection closes without an answer.
    Lost,
    /// It is refused with this status; the API server sees nothing.
    Refusal {
        /// The status.
        status: u16,
        /// After so many seconds, it says, one may ask again.
        retry_after: u32,
    },
}

type Concerns = Box<dyn Fn(&Asked) -> bool + Send + Sync>;

/// Trouble that waits for its request.
pub(super) struct Planned {
    times: usize,
    trouble: Trouble,
    concerns: Concerns,
}

impl Planned {
    pub(super) fn new(
        times: usize,
        trouble: Trouble,
        concerns: impl Fn(&Asked) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { times, trouble, concerns: Box::new(concerns) }
    }
}

/// All that waits, first come first served.
#[derive(Default)]
pub(super) struct Troubles(Vec<Planned>);

impl Troubles {
    pub(super) fn add(&mut self, planned: Planned) {
        self.0.push(planned);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The trouble for this request, if any waits for it.
    pub(super) fn take(&mut self, asked: &Asked) -> Option<Trouble> {
        let planned = self.0.iter_mut().find(|planned| planned.times > 0 && (planned.concerns)(asked))?;
        planned.times -= 1;
        Some(planned.trouble.clone())
    }
}
