-- The first schema. Times are milliseconds since 1970 (UTC); the readable_* views at the end show names and dates instead.

pragma application_id = 1667790702; -- 'chwn': what tells our file from any other SQLite file
pragma user_version = 1; -- always the number of the newest migration

create table meta (
  only_row integer primary key check (only_row = 1), -- there is one database, so there is one row
  epoch blob not null check (length(epoch) = 16), -- random: tells this database from any other, a restored one included
  head integer not null check (head >= 0) -- ids up to here are used up, even where their messages have been deleted
) strict;

insert into meta (only_row, epoch, head) values (1, randomblob(16), 0);

create table users (
  user_id integer primary key,
  username text not null, -- as registered; this is what others are shown
  username_key text not null unique, -- folded: 'Ada' and 'ada' are one person
  password_hash text not null check (password_hash like '$argon2id$%'), -- a PHC string, never the password
  registered_at_ms integer not null,
  check (username_key = lower(username)) -- the key is derived, so it may not drift
) strict;

create table sessions (
  session_id integer primary key,
  user_id integer not null references users (user_id), -- a token without its user would authenticate nobody
  token_hash blob not null unique check (length(token_hash) = 32), -- SHA-256: who reads this file cannot log in with it
  created_at_ms integer not null,
  last_used_at_ms integer not null check (last_used_at_ms >= created_at_ms) -- stored at most once an hour
) strict;

create index sessions_by_user on sessions (user_id);

create table contacts (
  user_id integer not null references users (user_id),
  contact_id integer not null references users (user_id),
  added_at_ms integer not null,
  primary key (user_id, contact_id), -- adding someone twice changes nothing
  check (user_id <> contact_id) -- nobody is their own contact
) strict, without rowid;

create table groups (
  group_id integer primary key,
  group_name text not null check (group_name <> ''), -- as created; this is what members are shown
  group_key text not null unique, -- RFC 8266: names that a person would take for the same are the same
  owner_id integer not null references users (user_id),
  created_at_ms integer not null
) strict;

create table group_members (
  membership_id integer primary key,
  group_id integer not null references groups (group_id),
  user_id integer not null references users (user_id),
  joined_id integer not null, -- messages above this id are the member's to read
  left_id integer check (left_id >= joined_id), -- and those above this one no longer; null while a member
  joined_at_ms integer not null
) strict;

-- One membership at a time; intervals that ended are kept, for they say what a former member may still read.
create unique index group_members_current on group_members (group_id, user_id) where left_id is null;
create index group_members_by_user on group_members (user_id, group_id);

-- The log: every message once, whatever the size of its group, in the order in which it was accepted.
create table messages (
  message_id integer primary key, -- dense and in commit order; never given out twice
  kind integer not null, -- 1 whisper, 2 group message; later events of a conversation join the same log
  sender_id integer not null references users (user_id),
  recipient_id integer references users (user_id),
  group_id integer references groups (group_id),
  sent_at_ms integer not null, -- for people; order is by message_id alone
  content text not null check (content <> ''),
  check (kind <> 1 or (recipient_id is not null and group_id is null)), -- a whisper has one recipient
  check (kind <> 2 or (group_id is not null and recipient_id is null)) -- a group message has a group
) strict;

create index messages_by_recipient on messages (recipient_id, message_id) where recipient_id is not null;
create index messages_by_group on messages (group_id, message_id) where group_id is not null;

-- How far each user's version-1 connections have acknowledged the log. Apart from users, for it changes all the time.
create table delivery_marks (
  user_id integer primary key references users (user_id),
  message_id integer not null -- never moves back
) strict;

create view readable_users as
select user_id, username,
  strftime('%Y-%m-%d %H:%M:%S', registered_at_ms / 1000.0, 'unixepoch') as registered_at
from users;

create view readable_sessions as
select session_id, username,
  strftime('%Y-%m-%d %H:%M:%S', created_at_ms / 1000.0, 'unixepoch') as created_at,
  strftime('%Y-%m-%d %H:%M:%S', last_used_at_ms / 1000.0, 'unixepoch') as last_used_at
from sessions join users using (user_id);

create view readable_contacts as
select owner.username, contact.username as contact,
  strftime('%Y-%m-%d %H:%M:%S', added_at_ms / 1000.0, 'unixepoch') as added_at
from contacts
join users as owner on owner.user_id = contacts.user_id
join users as contact on contact.user_id = contacts.contact_id;

create view readable_groups as
select group_id, group_name, username as owner,
  strftime('%Y-%m-%d %H:%M:%S', created_at_ms / 1000.0, 'unixepoch') as created_at
from groups join users on users.user_id = groups.owner_id;

create view readable_members as
select group_name, username,
  strftime('%Y-%m-%d %H:%M:%S', joined_at_ms / 1000.0, 'unixepoch') as joined_at,
  left_id is null as is_member
from group_members join groups using (group_id) join users using (user_id);

create view readable_messages as
select message_id,
  strftime('%Y-%m-%d %H:%M:%f', sent_at_ms / 1000.0, 'unixepoch') as sent_at,
  case kind when 1 then 'whisper' when 2 then 'group message' else 'event ' || kind end as kind,
  sender.username as sender, recipient.username as recipient, group_name, content
from messages
join users as sender on sender.user_id = messages.sender_id
left join users as recipient on recipient.user_id = messages.recipient_id
left join groups using (group_id);
