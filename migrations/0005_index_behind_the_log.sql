-- Storing a message writes the end of the log and nothing else. What finds messages by conversation or nonce is filled in behind
-- it by the server, many at once and sorted; of the newest messages the server keeps it in memory. No row is rewritten.

pragma user_version = 5;

drop index messages_by_conversation;
drop index messages_by_nonce;

-- Stretches of the log whose messages are in the tables below. What lies behind the last one is not in them yet.
create table segments (
  segment_id integer primary key,
  after_id integer not null, -- exclusive
  upto_id integer not null unique check (upto_id > after_id), -- inclusive; segments do not overlap
  is_whole integer not null check (is_whole in (0, 1)) -- 0 while it is being filled in; begun anew after a crash
) strict;

-- The messages of a conversation within a segment, some hundred in a row.
create table postings (
  segment_id integer not null references segments (segment_id), -- a row of no segment would never be read
  conversation integer not null, -- as in messages
  first_id integer not null, -- the first of them
  further_ids blob not null, -- the distance of each further one from the one before, 7 bits to a byte, the lowest first (LEB128)
  primary key (segment_id, conversation, first_id)
) strict, without rowid;

-- Which messages may have a nonce. Only a hash is kept, so who looks compares the message.
create table nonces (
  sender_id integer not null references users (user_id), -- a nonce is known by its sender
  nonce_hash integer not null check (nonce_hash between 0 and 0xffffffff), -- the first 32 bits of its SHA-256
  message_id integer not null, -- may be deleted by now
  primary key (sender_id, nonce_hash, message_id)
) strict, without rowid;
