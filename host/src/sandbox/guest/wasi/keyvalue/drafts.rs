//! Bindings of the two drafts: `0.2.0-draft` and `0.2.0-draft2`. They differ in cursors, numbers and compare-and-swap.
//! `bucket` implements the operations once for both.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::keyvalue::bucket::{Bucket, CasHandle, NotSwapped};
use crate::sandbox::guest::wasi::keyvalue::error::KeyvalueError;
use crate::state::Key;
use wasmtime::component::{HasSelf, Linker, Resource};

mod first {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "cascade:host/keyvalue",
        imports: { default: async | trappable },
        trappable_error_type: { "wasi:keyvalue/store@0.2.0-draft.error" => crate::sandbox::guest::wasi::keyvalue::error::KeyvalueError },
        with: { "wasi:keyvalue/store@0.2.0-draft.bucket": crate::sandbox::guest::wasi::keyvalue::bucket::Bucket },
    });
}

mod second {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "cascade:host/keyvalue-draft2",
        imports: { default: async | trappable },
        trappable_error_type: {
            "wasi:keyvalue/store@0.2.0-draft2.error" => crate::sandbox::guest::wasi::keyvalue::error::KeyvalueError,
            "wasi:keyvalue/atomics@0.2.0-draft2.cas-error" => crate::sandbox::guest::wasi::keyvalue::bucket::NotSwapped,
        },
        with: {
            "wasi:keyvalue/store@0.2.0-draft2.bucket": crate::sandbox::guest::wasi::keyvalue::bucket::Bucket,
            "wasi:keyvalue/atomics@0.2.0-draft2.cas": crate::sandbox::guest::wasi::keyvalue::bucket::CasHandle,
        },
    });
}

use first::wasi::keyvalue0_2_0_draft as draft;
use second::wasi::keyvalue0_2_0_draft2 as draft2;

/// Links both drafts. A bucket without a grant is refused when it is opened.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    draft::store::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    draft::atomics::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    draft::batch::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    draft2::store::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    draft2::atomics::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    draft2::batch::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// Implements what both drafts share: `batch`, and `store` except for its cursors.
macro_rules! implement {
    ($draft:ident, $cursor:ty, $after:expr, $next:expr) => {
        impl $draft::store::Host for State {
            async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, KeyvalueError> {
                self.open_bucket(&identifier)
            }

            fn convert_error(&mut self, error: KeyvalueError) -> wasmtime::Result<$draft::store::Error> {
                match error {
                    KeyvalueError::Trap(error) => Err(error),
                    KeyvalueError::NoSuchStore => Ok($draft::store::Error::NoSuchStore),
                    KeyvalueError::AccessDenied => Ok($draft::store::Error::AccessDenied),
                    KeyvalueError::Other(text) => Ok($draft::store::Error::Other(text)),
                }
            }
        }

        impl $draft::store::HostBucket for State {
            async fn get(
                &mut self,
                bucket: Resource<Bucket>,
                key: String,
            ) -> Result<Option<Vec<u8>>, KeyvalueError> {
                Ok(State::get(self, &bucket, &key).await?.map(Vec::from))
            }

            async fn set(
                &mut self,
                bucket: Resource<Bucket>,
                key: String,
                value: Vec<u8>,
            ) -> Result<(), KeyvalueError> {
                self.set_all(&bucket, vec![(key, value)]).await
            }

            async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), KeyvalueError> {
                self.delete_all(&bucket, &[key]).await
            }

            async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, KeyvalueError> {
                State::exists(self, &bucket, &key).await
            }

            async fn list_keys(
                &mut self,
                bucket: Resource<Bucket>,
                cursor: Option<$cursor>,
            ) -> Result<$draft::store::KeyResponse, KeyvalueError> {
                let after: fn(&State, $cursor) -> Result<Key, KeyvalueError> = $after;
                let next: fn(&mut State, Key) -> $cursor = $next;
                let after = cursor.map(|cursor| after(self, cursor)).transpose()?;
                let page = self.list(&bucket, after).await?;
                let keys = page.keys.iter().map(|key| key.as_str().to_owned()).collect();
                Ok($draft::store::KeyResponse { keys, cursor: page.next.map(|end| next(self, end)) })
            }

            async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
                self.close_bucket(bucket)
            }
        }

        impl $draft::batch::Host for State {
            async fn get_many(
                &mut self,
                bucket: Resource<Bucket>,
                keys: Vec<String>,
            ) -> Result<Vec<Option<(String, Vec<u8>)>>, KeyvalueError> {
                self.get_all(&bucket, keys).await
            }

            async fn set_many(
                &mut self,
                bucket: Resource<Bucket>,
                pairs: Vec<(String, Vec<u8>)>,
            ) -> Result<(), KeyvalueError> {
                self.set_all(&bucket, pairs).await
            }

            async fn delete_many(
                &mut self,
                bucket: Resource<Bucket>,
                keys: Vec<String>,
            ) -> Result<(), KeyvalueError> {
                self.delete_all(&bucket, &keys).await
            }
        }
    };
}

implement!(draft, u64, |state, cursor| state.keyvalue.key_after(cursor), |state, end| state
    .keyvalue
    .remember_cursor(end));
implement!(draft2, String, |_, cursor| Ok(Key::new(&cursor)?), |_, end| end.as_str().to_owned());

impl draft::atomics::Host for State {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Result<u64, KeyvalueError> {
        let delta = i64::try_from(delta)
            .map_err(|_| KeyvalueError::Other(format!("`increment` adds at most {}", i64::MAX)))?;
        let sum = self.increase(&bucket, &key, delta).await?;
        u64::try_from(sum).map_err(|_| {
            KeyvalueError::Other(format!("the number was changed to {sum}, which this draft cannot return, because it has no negative numbers"))
        })
    }
}

impl draft2::atomics::Host for State {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Result<i64, KeyvalueError> {
        self.increase(&bucket, &key, delta).await
    }

    async fn swap(&mut self, cas: Resource<CasHandle>, value: Vec<u8>) -> Result<(), NotSwapped> {
        self.swap_cas(cas, value).await
    }

    fn convert_cas_error(&mut self, error: NotSwapped) -> wasmtime::Result<draft2::atomics::CasError> {
        match error {
            NotSwapped::Other(handle) => Ok(draft2::atomics::CasError::CasFailed(handle)),
            NotSwapped::Failed(error) => {
                let error = draft2::store::Host::convert_error(self, error)?;
                Ok(draft2::atomics::CasError::StoreError(error))
            }
        }
    }
}

impl draft2::atomics::HostCas for State {
    async fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Resource<CasHandle>, KeyvalueError> {
        self.read_for_cas(&bucket, &key).await
    }

    async fn current(&mut self, cas: Resource<CasHandle>) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.cas_value(&cas)
    }

    async fn drop(&mut self, cas: Resource<CasHandle>) -> wasmtime::Result<()> {
        self.drop_cas(cas).map(drop)
    }
}
