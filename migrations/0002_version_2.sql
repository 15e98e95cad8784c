-- What version 2 of the wire needs: nonces, and each conversation in order. No row is rewritten.

pragma user_version = 2;

-- What a sender has chosen, so that a message sent again is stored once.
alter table messages add column nonce text
  check (length(cast(nonce as blob)) between 1 and 64);

-- A group's is its id, negative; that of two users has the lower id in the upper bits and the higher id in the lower 31.
alter table messages add column conversation integer
  generated always as (iif(group_id is not null, -group_id, (min(sender_id, recipient_id) << 31) | max(sender_id, recipient_id)))
  virtual;

create unique index messages_by_nonce on messages (sender_id, nonce) where nonce is not null;

-- One index for all that is read of a conversation, instead of one for each way to read it.
create index messages_by_conversation on messages (conversation, message_id);
drop index messages_by_recipient;
drop index messages_by_group;

-- Who has whispered with whom: without it, nobody could tell a user's conversations from the index above.
create table whisper_pairs (
  low_id integer not null references users (user_id),
  high_id integer not null references users (user_id),
  primary key (low_id, high_id), -- two users have one conversation
  check (low_id <= high_id) -- whoever began it; equal where somebody keeps notes
) strict, without rowid;

create index whisper_pairs_by_high on whisper_pairs (high_id, low_id);

insert into whisper_pairs (low_id, high_id)
select distinct min(sender_id, recipient_id), max(sender_id, recipient_id) from messages where recipient_id is not null;
