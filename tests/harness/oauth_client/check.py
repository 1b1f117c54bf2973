"""Logs in with docs/login/bunq_login.py, which PYTHONPATH leads to.

Reads client_id, client_secret, redirect_uri, authorization_uri and token_uri from the
environment, as a Secret's keys are given to a container. Prints the token's type.
"""

import os

# The emulator and the redirect URL of a test are on this machine.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests

from bunq_login import bunq_session, fetch_token

secret = {key: os.environ[key] for key in
          ("client_id", "client_secret", "redirect_uri", "authorization_uri", "token_uri")}
session = bunq_session(secret["client_id"], secret["redirect_uri"])
url, _ = session.authorization_url(secret["authorization_uri"])
# The browser, which stops short of the redirect URL.
came_back_to = requests.get(url, allow_redirects=False, timeout=20).headers["Location"]
token = fetch_token(session, secret["token_uri"], secret["client_secret"], came_back_to)
assert len(token["access_token"]) > 20
print(token["token_type"])
