//! What the bank was asked, and what it answers, before either is bytes.

use hyper::body::Bytes;
use serde_json::{Map, Value, json};

use super::route::Route;

/// One call, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// With the leading `/v1/`, without the query.
    pub(crate) path: String,
    pub(crate) route: Route,
    pub(crate) query: Vec<(String, String)>,
    /// `X-Bunq-Client-Authentication`.
    pub(crate) token: Option<String>,
    /// `X-Bunq-Client-Signature`.
    pub(crate) signature: Option<String>,
    /// `X-Bunq-Client-Request-Id`.
    pub(crate) request_id: Option<String>,
    pub(crate) accepts_gzip: bool,
    pub(crate) body: Bytes,
}

impl Ask {
    /// A query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; an empty one is null.
    pub(crate) fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::new(400, "The request body is not valid JSON."))
    }

    /// The body as an object; a missing body and `[]` are empty objects, as in PHP.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Refusal> {
        match self.json()? {
            Value::Object(fields) => Ok(fields),
            Value::Null => Ok(Map::new()),
            Value::Array(items) if items.is_empty() => Ok(Map::new()),
            _ => Err(Refusal::new(400, "The request body must be an object.")),
        }
    }
}

/// A string field of a body.
pub(crate) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// Success.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// `{"Response": […]}`.
    Items(Vec<Value>),
    /// The same with `Pagination`.
    Page(Vec<Value>, Value),
    /// `{}`: what DELETE answers.
    Empty,
    /// Plain JSON of the token endpoint, with its status.
    OAuth(u16, Value),
    /// 302.
    Redirect(String),
    /// A page for people.
    Html(u16, String),
}

impl Reply {
    /// `[{"Id": {"id": N}}]`.
    pub(crate) fn id(id: u64) -> Self {
        Self::Items(vec![json!({"Id": {"id": id}})])
    }
}

/// An error in bunq's shape.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) texts: Vec<String>,
    pub(crate) additional: Option<Value>,
}

/// What an endpoint comes to.
pub(crate) type Outcome = Result<Reply, Refusal>;

impl Refusal {
    pub(crate) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, texts: vec![text.into()], additional: None }
    }

    /// One text for a wrong key, a dead key and a wrong address (`bunq-api §6`).
    pub(crate) fn credentials() -> Self {
        Self::new(400, "User credentials are incorrect. Incorrect API key or IP address.")
    }

    /// A token that is unknown or of the wrong kind.
    pub(crate) fn authentication() -> Self {
        Self::new(403, "Insufficient authentication.")
    }

    /// A token that may not do this.
    pub(crate) fn authorisation(status: u16) -> Self {
        Self::new(status, "Insufficient authorisation.")
    }

    pub(crate) fn signature_required(url: &str) -> Self {
        Self {
            additional: Some(json!([{"url_together_post": url}])),
            ..Self::new(466, "For this operation a request signature is required. Check the urls for more information.")
        }
    }

    pub(crate) fn signature_invalid() -> Self {
        Self::new(400, "The request signature is invalid.")
    }

    pub(crate) fn superfluous<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            status: 400,
            texts: fields.into_iter().map(|field| format!("Superfluous field \"{field}\".")).collect(),
            additional: None,
        }
    }

    pub(crate) fn route_not_found() -> Self {
        Self::new(404, "Route not found.")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "Method not allowed.")
    }

    pub(crate) fn not_found(object: &str, id: u64) -> Self {
        Self::new(404, format!("{object} for id \"{id}\" not found."))
    }

    /// The error as JSON.
    pub(crate) fn body(&self) -> Value {
        let items: Vec<Value> = self
            .texts
            .iter()
            .map(|text| json!({"error_description": text, "error_description_translated": text}))
            .collect();
        let mut body = json!({"Error": items});
        if let Some(additional) = &self.additional {
            body["Error"][0]["error_additional_parameter"] = additional.clone();
        }
        body
    }
}
