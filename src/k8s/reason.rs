//! Why the API server did not do as it was asked, in words for people. The client's own show its types.

use std::error::Error;
use std::iter::successors;

use kube::core::Status;

/// What a refusal says; of anything else each cause, as far as it adds something.
pub(super) fn reason_of<'e>(error: &'e (dyn Error + 'static)) -> String {
    let causes = || successors(Some(error), |cause: &&'e (dyn Error + 'static)| (*cause).source());
    if let Some(status) = causes().find_map(status) {
        return if status.message.is_empty() { format!("{} {}", status.code, status.reason) } else { status.message.clone() };
    }
    causes().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        // Most errors end in the words of what they wrap.
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

fn status<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    cause.downcast_ref::<Box<Status>>().map(|status| &**status).or_else(|| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::io;

    use kube::runtime::watcher;

    use super::*;

    fn refusal(message: &str) -> kube::Error {
        let status = Status { code: 403, reason: "Forbidden".to_owned(), message: message.to_owned(), ..Status::success() };
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words_alone_however_it_is_wrapped() {
        let words = "configmaps \"x\" is forbidden: User \"jane\" cannot get it";
        assert_eq!(reason_of(&refusal(words)), words);
        assert_eq!(reason_of(&watcher::Error::InitialListFailed(refusal(words))), words);
        assert_eq!(reason_of(&refusal("")), "403 Forbidden");
    }

    #[test]
    fn an_error_is_told_down_to_its_first_cause_and_nothing_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("client error (Connect)")]
        struct Connect(#[source] io::Error);
        let error = kube::Error::Service(Box::new(Connect(io::Error::other("connection refused"))));
        assert_eq!(reason_of(&error), "ServiceError: client error (Connect): connection refused");
    }
}
