// Memory that may be written without a new version: it came from outside, or JavaScript holds a buffer over it. What is
// computed from it cannot be kept for later calls.
#pragma once

namespace flambeau {

class Storage;
/// From now on, for as long as the storage lives. Borrowed storages are exposed from the start.
void expose(const Storage* storage);
bool exposed(const Storage* storage);

}  // namespace flambeau
