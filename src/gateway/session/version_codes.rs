//! The bytes that stand for protocol versions in a sealed session.

use crate::mcp::version;

/// Legacy versions, each with its code.
#[derive(Debug, Clone, Copy)]
pub(super) struct VersionCodes(pub(super) &'static [(u8, &'static str)]);

/// The codes of the versions that this gateway supports.
pub(super) const VERSION_CODES: VersionCodes = VersionCodes(version::LEGACY_CODES);

impl VersionCodes {
    /// The code of `version`.
    pub(super) fn code(self, version: &str) -> Option<u8> {
        let mut codes = self.0.iter();
        codes
            .find(|(_, known)| *known == version)
            .map(|(code, _)| *code)
    }

    /// The version with this `code`.
    pub(super) fn version(self, code: u8) -> Option<&'static str> {
        let mut codes = self.0.iter();
        codes
            .find(|(known, _)| *known == code)
            .map(|(_, version)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_supported_version_has_one_code_of_its_own() {
        let codes: BTreeSet<u8> = VERSION_CODES.0.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), VERSION_CODES.0.len());
        let coded: BTreeSet<&str> = VERSION_CODES
            .0
            .iter()
            .map(|(_, version)| *version)
            .collect();
        assert_eq!(coded, version::LEGACY.iter().copied().collect());
        for version in version::LEGACY {
            let code = VERSION_CODES.code(version).unwrap();
            assert_eq!(VERSION_CODES.version(code), Some(*version));
        }
        assert_eq!(VERSION_CODES.code(version::NEWEST_MODERN), None);
        assert_eq!(VERSION_CODES.version(0xff), None);
    }
}
