//! Header maps, and their encoding in host calls.

/// A header map. Names are in lower case, values are any bytes. Duplicates and their order stay.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The first value of a name. `proxy_get_header_map_value` returns only this one.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(have, _)| have == name)?;
        Some(&found.1)
    }

    /// The first value as text. Bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Every value of a name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(have, _)| have == name)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0
            .push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
    }

    /// Sets one value, and removes all others with this name.
    pub(crate) fn replace(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let name = name.to_ascii_lowercase();
        let value = value.as_ref().to_vec();
        match self.0.iter().position(|(have, _)| *have == name) {
            Some(first) => {
                self.0[first].1 = value;
                let mut index = 0;
                self.0.retain(|(have, _)| {
                    index += 1;
                    *have != name || index == first + 1
                });
            }
            None => self.0.push((name, value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(have, _)| *have != name);
    }

    /// The value of `content-length`, if it is a number.
    pub(crate) fn content_length(&self) -> Option<usize> {
        self.text("content-length")?.parse().ok()
    }

    /// The bytes of a header map in a host call (`PairsUtil::marshalPairs`).
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = number(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            bytes.extend(number(name.len()));
            bytes.extend(number(value.len()));
        }
        for (name, value) in &self.0 {
            bytes.extend(name.as_bytes());
            bytes.push(0);
            bytes.extend(value);
            bytes.push(0);
        }
        bytes
    }

    /// Decodes such bytes. `None` if they do not fit the sizes that they contain.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::new());
        }
        let count = read_number(bytes, 0)?;
        let mut data = 4 + count.checked_mul(8)?;
        let mut headers = Self::new();
        for index in 0..count {
            let name_size = read_number(bytes, 4 + index * 8)?;
            let value_size = read_number(bytes, 8 + index * 8)?;
            let name = bytes.get(data..data + name_size)?;
            data += name_size + 1;
            let value = bytes.get(data..data + value_size)?;
            data += value_size + 1;
            headers.add(std::str::from_utf8(name).ok()?, value);
        }
        Some(headers)
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_map()
            .entries(
                self.0
                    .iter()
                    .map(|(name, value)| (name, String::from_utf8_lossy(value))),
            )
            .finish()
    }
}

fn number(size: usize) -> [u8; 4] {
    u32::try_from(size)
        .expect("a header map is small")
        .to_le_bytes()
}

fn read_number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(four) as usize)
}
