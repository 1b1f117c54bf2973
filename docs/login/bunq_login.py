"""Log in with bunq by requests-oauthlib (2.0): its token request with the parameters where bunq documents them.

    session = bunq_session(client_id, redirect_uri)
    url, state = session.authorization_url(authorization_uri)
    # … send the user to url; at the redirect URL session.fetch_token compares state …
    token = fetch_token(session, token_uri, client_secret, authorization_response=the_url_the_user_came_back_to)
"""

from requests_oauthlib import OAuth2Session


def form_to_query(token_url, headers, arguments):
    """Moves the form of a token request into its query: bunq documents its parameters there, with an empty body."""
    headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return token_url, headers, {"params": arguments["data"]}


def bunq_session(client_id, redirect_uri):
    session = OAuth2Session(client_id, redirect_uri=redirect_uri)
    session.register_compliance_hook("access_token_request", form_to_query)
    return session


def fetch_token(session, token_uri, client_secret, authorization_response):
    # include_client_id: no Basic header, bunq reads parameters only.
    return session.fetch_token(
        token_uri,
        authorization_response=authorization_response,
        client_secret=client_secret,
        include_client_id=True,
    )
