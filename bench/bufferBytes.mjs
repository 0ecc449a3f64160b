/**
 * Counts the bytes of a WebGPU device's buffers from here on: those not destroyed, pooled ones too, and their peak.
 *
 * @param device - A device, or the prototype of all devices.
 */
export const countBufferBytes = (device) => {
  const bytes = { live: 0, peak: 0 };
  const { createBuffer } = device;
  device.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    const { destroy } = buffer;
    bytes.live += descriptor.size;
    bytes.peak = Math.max(bytes.peak, bytes.live);
    let isLive = true;
    buffer.destroy = () => {
      if (isLive) bytes.live -= descriptor.size;
      isLive = false;
      return destroy.call(buffer);
    };
    return buffer;
  };
  return bytes;
};

/** The count in MiB, as the JSON lines have it. */
export const bufferFigures = ({ live, peak }) => ({
  device_mb: Math.round(live / 2 ** 20),
  device_peak_mb: Math.round(peak / 2 ** 20),
});
