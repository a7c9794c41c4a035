//! Paths as clients write them: doubled slashes, a slash at the end, a base address with or without `/v1`.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The same place without doubled slashes and without one at the end.
pub(crate) fn tidied(uri: &Uri) -> Uri {
    let path = uri.path();
    let untidy = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
    if !untidy {
        return uri.clone();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut text = format!("/{}", parts.join("/"));
    if let Some(query) = uri.query() {
        text = format!("{text}?{query}");
    }
    let mut pieces = uri.clone().into_parts();
    pieces.path_and_query = PathAndQuery::try_from(text).ok();
    Uri::from_parts(pieces).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_tidied() {
        for (from, to) in [
            ("/v1//models", "/v1/models"),
            ("/v1/models/", "/v1/models"),
            ("//", "/"),
            ("/", "/"),
            ("///v1/models//?a=//b", "/v1/models?a=//b"),
            ("/v1/models/a%2Fb", "/v1/models/a%2Fb"),
        ] {
            assert_eq!(tidied(&from.parse().unwrap()), to, "{from}");
        }
    }
}
