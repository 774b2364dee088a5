//! Reads objects that other objects refer to, by their names. The controller has no right to list
//! Secrets.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Secret as ClusterSecret};
use kube::Client;
use kube::api::{Api, ObjectMeta};

use super::plan::{MANAGED_BY, MANAGER};
use super::snapshot::{ReadObject, Readable};

/// The most objects that are read at the same time.
const AT_A_TIME: usize = 16;

/// The longest reason that is kept.
const LONGEST_REASON: usize = 256;

/// The current objects with these `names`.
///
/// # Errors
/// The API server does not answer. It is no error if an object does not exist, or if the controller
/// may not read it: this concerns only the object that refers to it.
pub(super) async fn read_all(
    client: &Client,
    names: &BTreeSet<Readable>,
) -> Result<BTreeMap<Readable, ReadObject>, kube::Error> {
    let reads = names.iter().map(async |name| {
        let object = match read(client, name).await {
            Err(error) => ReadObject::Refused(refusal(error)?),
            Ok(object) => object,
        };
        Ok::<_, kube::Error>((name.clone(), object))
    });
    stream::iter(reads)
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await
}

/// The reason why the controller does not get an object.
///
/// # Errors
/// `error` is not about this object only.
fn refusal(error: kube::Error) -> Result<String, kube::Error> {
    let text = match error {
        kube::Error::Api(status) if [400, 403, 404, 405, 422].contains(&status.code) => {
            status.message.clone()
        }
        kube::Error::BuildRequest(error) => error.to_string(),
        other => return Err(other),
    };
    Ok(text.chars().take(LONGEST_REASON).collect())
}

async fn read(client: &Client, name: &Readable) -> Result<ReadObject, kube::Error> {
    match name {
        Readable::Secret(name) => {
            let api: Api<ClusterSecret> = Api::namespaced(client.clone(), &name.namespace);
            let secret = api.get_opt(&name.name).await?;
            Ok(secret.map_or(ReadObject::Missing, |secret| {
                let data = secret.data.unwrap_or_default().into_iter();
                present(secret.metadata, data.map(|(key, value)| (key, value.0)))
            }))
        }
        Readable::ConfigMap(name) => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), &name.namespace);
            let map = api.get_opt(&name.name).await?;
            Ok(map.map_or(ReadObject::Missing, |map| {
                let data = map.data.unwrap_or_default().into_iter();
                present(
                    map.metadata,
                    data.map(|(key, value)| (key, value.into_bytes())),
                )
            }))
        }
    }
}

fn present(metadata: ObjectMeta, data: impl Iterator<Item = (String, Vec<u8>)>) -> ReadObject {
    let labels = metadata.labels.unwrap_or_default();
    ReadObject::Present {
        resource_version: metadata.resource_version.unwrap_or_default(),
        is_written: labels.get(MANAGED_BY).is_some_and(|it| it == MANAGER),
        data: data.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn failed(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure("no", "Reason").with_code(code)))
    }

    #[test]
    fn an_object_that_may_not_be_read_does_not_stop_the_others() {
        for code in [400, 403, 404, 405, 422] {
            assert_eq!(refusal(failed(code)).unwrap(), "no", "{code}");
        }
        for code in [401, 429, 500, 503] {
            assert!(refusal(failed(code)).is_err(), "{code}");
        }
    }
}
