//! Log in with bunq by the `oauth2` crate (5.0): its token request with the parameters where bunq documents them.
//!
//! ```text
//! let client = BasicClient::new(ClientId::new(client_id))
//!     .set_client_secret(ClientSecret::new(client_secret))
//!     .set_auth_type(AuthType::RequestBody)                     // no Basic header: bunq reads parameters
//!     .set_auth_uri(AuthUrl::new(authorization_uri)?)
//!     .set_token_uri(TokenUrl::new(token_uri)?)
//!     .set_redirect_uri(RedirectUrl::new(redirect_uri)?);
//! let (url, state) = client.authorize_url(CsrfToken::new_random).url();
//! // … send the user to `url`; at the redirect URL compare `state`, take `code` …
//! let send = |request| send_token_request(&http, request);
//! let token = client.exchange_code(AuthorizationCode::new(code)).request_async(&send).await?;
//! ```

use oauth2::http::{self, header::CONTENT_TYPE};
use oauth2::{HttpRequest, HttpResponse};

/// Why the token endpoint could not be asked. The texts never hold the URL: it carries the client's secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenRequestError {
    /// The parameters do not fit into a URL.
    #[error("build the token request")]
    Build(#[from] http::Error),
    /// The token endpoint did not answer.
    #[error("reach the token endpoint")]
    Reach(#[source] reqwest::Error),
}

/// Moves the form of a token request into its query: bunq documents its parameters there, with an empty body.
pub fn form_to_query(request: HttpRequest) -> Result<HttpRequest, http::Error> {
    let (mut parts, form) = request.into_parts();
    let form = String::from_utf8_lossy(&form);
    parts.uri = format!("{}?{form}", parts.uri).parse()?;
    parts.headers.remove(CONTENT_TYPE);
    Ok(HttpRequest::from_parts(parts, Vec::new()))
}

/// The HTTP client to give to `request_async`.
pub async fn send_token_request(
    http: &reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, TokenRequestError> {
    let unreachable = |error: reqwest::Error| TokenRequestError::Reach(error.without_url());
    let request = form_to_query(request)?;
    let request = reqwest::Request::try_from(request).map_err(unreachable)?;
    let answer = http.execute(request).await.map_err(unreachable)?;
    let mut response = http::Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let body = answer.bytes().await.map_err(unreachable)?;
    Ok(response.body(body.to_vec())?)
}
