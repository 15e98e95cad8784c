//! The codec as a whole: what is encoded is decoded, what is documented is true, and no bytes do harm.
