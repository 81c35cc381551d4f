//! Values as they may be shown.

/// Parts of a parameter's name that tell of a secret.
const SECRET_PARAMETERS: [&str; 7] = ["auth", "credential", "key", "pass", "secret", "sig", "token"];

/// `value` without what a URL in it would give away: the password before the host, and the values of parameters that
/// are named like secrets. Where it is doubtful what is password, more is hidden.
pub(crate) fn masked(value: &str) -> String {
    let shown = without_password(value);
    match shown.split_once('?') {
        Some((url, query)) => {
            let parameters: Vec<String> = query.split('&').map(parameter).collect();
            format!("{url}?{}", parameters.join("&"))
        }
        None => shown,
    }
}

fn without_password(url: &str) -> String {
    // The last `@`: a password may hold one, and a URL of several hosts has several passwords.
    let parts = url.split_once("//").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match parts {
        Some((scheme, (user_and_password, host))) => match user_and_password.split_once(':') {
            Some((user, _)) => format!("{scheme}//{user}:****@{host}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

fn parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.iter().any(|part| name.to_lowercase().contains(part)) => {
            format!("{name}=****")
        }
        _ => parameter.to_owned(),
    }
}
