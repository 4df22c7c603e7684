"""What every request passes on its way to a route; `http.app` says in which order."""
