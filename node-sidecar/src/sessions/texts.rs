//! Limits of the texts that people give a session: its name and its parameters.

use std::collections::BTreeMap;

use fastx_core::wire::problem::Problem;

/// Longest name, characters.
pub(super) const MAX_NAME: usize = 200;
const MAX_PARAMS: usize = 32;
const MAX_PARAM: usize = 1024;
/// All parameters of a session together, names included: every node holds the records of all sessions.
const MAX_ALL_PARAMS: usize = 4096;

/// Whether name and parameters are within their limits.
pub(super) fn check_texts(name: &str, params: &BTreeMap<String, String>) -> Result<(), Problem> {
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(invalid(&format!(
            "`name` may have at most {MAX_NAME} printable characters."
        )));
    }
    if params_fit(params) {
        Ok(())
    } else {
        Err(invalid(&format!(
            "`params` may have at most {MAX_PARAMS} entries and {MAX_ALL_PARAMS} bytes in total, names included; names of up to 64 letters, digits, `.`, `_` and `-`, values of up to {MAX_PARAM} bytes. Keep larger values in a file, and give its name."
        )))
    }
}

/// Whether parameters are within their limits.
pub(super) fn params_fit(params: &BTreeMap<String, String>) -> bool {
    let key_ok = |k: &String| {
        (1..=64).contains(&k.len())
            && k.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let total: usize = params.iter().map(|(k, v)| k.len() + v.len()).sum();
    params.len() <= MAX_PARAMS
        && total <= MAX_ALL_PARAMS
        && params
            .iter()
            .all(|(k, v)| key_ok(k) && v.len() <= MAX_PARAM && !v.contains('\0'))
}

/// What is wrong with a request.
pub(super) fn invalid(detail: &str) -> Problem {
    Problem::new(422, "bad-request", "The request is not valid").detail(detail)
}
