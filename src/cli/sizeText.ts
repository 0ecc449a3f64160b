/** A number of bytes for people: `2.3 MiB`, and one less than a unit as that unit, as limits are told. */
export const sizeText = (bytes: number): string => {
  const unit = [
    { size: 2 ** 30, name: 'GiB' },
    { size: 2 ** 20, name: 'MiB' },
    { size: 2 ** 10, name: 'KiB' },
  ].find(({ size }) => bytes + 1 >= size);
  return unit === undefined ? `${bytes} bytes` : `${Number((bytes / unit.size).toFixed(1))} ${unit.name}`;
};
